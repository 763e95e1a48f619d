"""Until when a bearer token is good, where it says so itself. Pure."""

import base64
import binascii
import json


def token_ends_s(token: str) -> float | None:
    """Read the claim ``exp`` of a JSON Web Token (RFC 7519), unverified: it only decides when to warn.

    Args:
        token: As it is shown to a server.

    Returns:
        Unix time; ``None`` where the token is of another kind or has no end.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        ends_s = claims.get("exp")
    except (binascii.Error, ValueError, AttributeError):
        return None
    return float(ends_s) if isinstance(ends_s, int | float) and not isinstance(ends_s, bool) else None
