"""Bearer tokens and their scopes. Only digests are kept in memory, so that no dump of this process reveals a token.

A line is ``TOKEN`` (may do everything) or ``TOKEN|scope,scope``. Scopes: ``call:<tool>`` or ``call:*``; ``callback:<secret>``
or ``callback:*`` (have the ends of one's calls told, signed with that secret); ``read`` (status and streams); ``cancel``;
``operate`` (redrive dead letters); ``report`` (what sidecars send); ``metrics``; ``*``.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

SHORTEST: Final = 16
"""Characters; a shorter token can be guessed."""
SCOPE: Final = re.compile(r"\*|read|cancel|operate|report|metrics|call:.+|callback:.+")


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller and its scopes.

    Attributes:
        scopes: What is granted.
        name: Identifies the owner of envelopes; not a secret, and empty when authentication is off.
        until_s: When its token expires, seconds since 1970; ``None`` where it does not.
    """

    scopes: frozenset[str]
    name: str = ""
    until_s: float | None = None

    def may(self, scope: str) -> bool:
        """Whether a scope is granted."""
        kind = scope.partition(":")[0]
        return not self.scopes.isdisjoint({"*", scope, f"{kind}:*"})

    @property
    def calls(self) -> bool:
        """Whether it may call some tool, or see or cancel what others called: what bodies of calls are read for."""
        return any(scope in {"*", "read", "cancel"} or scope.startswith("call:") for scope in self.scopes)

    def sees(self, owner: str | None, scope: str = "read") -> bool:
        """Whether it may follow (or cancel) an envelope: any with the scope, only its own without."""
        return self.may(scope) or (owner is not None and owner == self.name)


EVERYONE: Final = Caller(frozenset({"*"}))


class KnownCallers(Protocol):
    """Tokens that may change."""

    callers: Mapping[bytes, Caller]
    """By digest of their token, as they are now."""

    async def watch(self) -> None:
        """Read them anew until cancelled."""


class TokenCheck(Protocol):
    """Verifies tokens of an identity provider."""

    @property
    def issuer(self) -> str:
        """The provider's issuer URL."""

    async def admit(self, token: str) -> Caller | None:
        """Verify a token; returns its caller, or ``None`` for an invalid token."""


@dataclass(frozen=True, slots=True)
class Door:
    """Authenticates callers; when authentication is off, everyone may do everything.

    Attributes:
        callers: By digest of their token; ``None`` when authentication is off.
        provider: Verifies tokens that are not among these.
        file: More callers, as a file names them at the moment.
    """

    callers: Mapping[bytes, Caller] | None = field(default=None, repr=False)
    provider: TokenCheck | None = None
    file: KnownCallers | None = None

    @property
    def issuer(self) -> str:
        """Issuer URL of the identity provider; empty without one."""
        return "" if self.provider is None else self.provider.issuer

    async def admit(self, authorization: str | None) -> Caller | None:
        """Authenticate an ``Authorization`` header; ``None`` where it names no known caller."""
        if self.callers is None:
            return EVERYONE
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        # The digest is looked up, not the token: how long that takes tells nothing about the token.
        digest = _digest(token.strip())
        known = self.callers.get(digest)
        if known is None and self.file is not None:
            known = self.file.callers.get(digest)
        if known is None and self.provider is not None and token.count(".") == 2:
            return await self.provider.admit(token.strip())
        return known

    def holds(self, known: Caller, now_s: float) -> bool:
        """Whether a caller that was let in would still be: its token has not expired, and was not taken back."""
        if self.callers is None:
            return True
        if known.until_s is not None:
            return now_s < known.until_s
        return known in self.callers.values() or (self.file is not None and known in self.file.callers.values())


def parse_tokens(text: str) -> dict[bytes, Caller]:
    """Parse tokens; lines that start with ``#`` are comments.

    Raises:
        ValueError: A line cannot be used; the text names its number, never the token.
    """
    callers: dict[bytes, Caller] = {}
    entries = [entry for line in text.splitlines() if not line.lstrip().startswith("#") for entry in line.split()]
    for number, entry in enumerate(entries, 1):
        token, bar, scopes = entry.partition("|")
        if len(token) < SHORTEST:
            raise ValueError(f"token {number} is shorter than {SHORTEST} characters")
        granted = frozenset(scopes.split(",")) if bar else frozenset({"*"})
        for scope in sorted(granted):
            if not SCOPE.fullmatch(scope):
                allowed = (
                    "*, call:<tool>, call:*, callback:<secret>, callback:*, read, cancel, operate, report, metrics"
                )
                raise ValueError(f"token {number} has an unknown scope {scope!r} (allowed: {allowed})")
        digest = _digest(token)
        callers[digest] = Caller(granted, f"token:{digest.hex()[:16]}")
    return callers


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
