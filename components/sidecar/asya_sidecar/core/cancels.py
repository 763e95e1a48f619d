"""Whose cancel stops an envelope: its own, or that of any envelope whose fan-out made it. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from asya_protocol.envelope import Envelope

_CHILD: Final = re.compile(r"(.+)-\d+")


def lineage(envelope: Envelope) -> Iterator[str]:
    """Yield the ids under which an envelope may have been cancelled: its own, its parent's, and theirs in turn.

    Children of a fan-out are named ``<id>-<index>``, so that the ids of all ancestors can be read from the name. An id of
    the user's own that ends like that is a child of something that nobody cancels.
    """
    current: str | None = envelope.id
    while current is not None:
        yield current
        match = _CHILD.fullmatch(current)
        current = match[1] if match else None
    if envelope.parent_id is not None:
        yield envelope.parent_id
