"""Who may do what: bearer tokens with scopes. Tokens are kept as digests, so that no dump of this process's state holds one.

A line is ``TOKEN`` (may do everything) or ``TOKEN|scope,scope``. Scopes: ``call:<tool>`` or ``call:*``; ``read`` (status and
streams); ``cancel``; ``operate`` (redrive dead letters); ``report`` (what sidecars send); ``metrics``; ``*``.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from asya_protocol.errors import SettingsError

SHORTEST: Final = 16
"""Characters; a shorter token can be guessed."""
SCOPE: Final = re.compile(r"\*|read|cancel|operate|report|metrics|call:.+")


@dataclass(frozen=True, slots=True)
class Caller:
    """What one token may do, and whose it is.

    Attributes:
        scopes: What is granted.
        name: Tells its envelopes from those of others, and no secret; empty where nobody is told from another.
    """

    scopes: frozenset[str]
    name: str = ""

    def may(self, scope: str) -> bool:
        """Whether a scope is granted."""
        kind = scope.partition(":")[0]
        return not self.scopes.isdisjoint({"*", scope, f"{kind}:*"})

    def sees(self, owner: str | None, scope: str = "read") -> bool:
        """Whether it may follow (or cancel) an envelope: with the scope anyone's, without it what it has called."""
        return self.may(scope) or (owner is not None and owner == self.name)


EVERYONE: Final = Caller(frozenset({"*"}))


class TokenCheck(Protocol):
    """Knows tokens that somebody else gives out."""

    @property
    def issuer(self) -> str:
        """Who does."""

    async def admit(self, token: str) -> Caller | None:
        """Say who a token stands for; ``None`` when it is no good."""


@dataclass(frozen=True, slots=True)
class Door:
    """Knows the tokens; without any it lets everyone do everything.

    Attributes:
        callers: By digest of their token; ``None`` where authentication is off.
        provider: Who knows the tokens that are not among these.
    """

    callers: Mapping[bytes, Caller] | None = field(default=None, repr=False)
    provider: TokenCheck | None = None

    @property
    def issuer(self) -> str:
        """Who gives out tokens besides those that are set; empty is nobody."""
        return "" if self.provider is None else self.provider.issuer

    async def admit(self, authorization: str | None) -> Caller | None:
        """Say who an ``Authorization`` header stands for; ``None`` is nobody we know."""
        if self.callers is None:
            return EVERYONE
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        # The digest is looked up, not the token: how long that takes tells nothing about the token.
        known = self.callers.get(_digest(token.strip()))
        if known is None and self.provider is not None and token.count(".") == 2:
            return await self.provider.admit(token.strip())
        return known


def parse_tokens(text: str, variable: str) -> dict[bytes, Caller]:
    """Read tokens; what follows ``#`` at the start of a line is a remark.

    Raises:
        SettingsError: A line cannot be used; the text names its number, never the token.
    """
    callers: dict[bytes, Caller] = {}
    entries = [entry for line in text.splitlines() if not line.lstrip().startswith("#") for entry in line.split()]
    for number, entry in enumerate(entries, 1):
        token, bar, scopes = entry.partition("|")
        if len(token) < SHORTEST:
            raise SettingsError(variable, f"token {number} is shorter than {SHORTEST} characters")
        granted = frozenset(scopes.split(",")) if bar else frozenset({"*"})
        for scope in sorted(granted):
            if not SCOPE.fullmatch(scope):
                allowed = "*, call:<tool>, call:*, read, cancel, operate, report, metrics"
                raise SettingsError(variable, f"token {number} has an unknown scope {scope!r} (allowed: {allowed})")
        digest = _digest(token)
        callers[digest] = Caller(granted, f"token:{digest.hex()[:16]}")
    return callers


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
