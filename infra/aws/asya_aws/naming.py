"""Names within the limits of each service, distinct and stable. Pure.

Physical names are left to Pulumi (a logical name and seven characters) but where a name is a contract; logical names are kept
short enough here.
"""

import hashlib
from typing import Final

SUFFIX: Final = 8
"""Pulumi's dash and seven characters."""
ROLE: Final = 64
CLUSTER: Final = 100
BUCKET: Final = 63
IDENTIFIER: Final = 63
"""Of an RDS instance."""
_DIGEST: Final = 6


def shortened(name: str, limit: int, *, automatic: bool = True) -> str:
    """Cut a name to a limit; names that differ stay different.

    Args:
        name: Wanted.
        limit: Of the service.
        automatic: Whether Pulumi adds its own suffix.
    """
    room = limit - (SUFFIX if automatic else 0)
    if len(name) <= room:
        return name
    return told_apart(name[: room - _DIGEST - 1].rstrip("-"), name)


def told_apart(name: str, whole: str) -> str:
    """A name that several things could have, with a digest of what each is called in full."""
    return f"{name}-{hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST]}"
