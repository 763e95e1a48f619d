"""Tokens of an OpenID Connect provider: signed by one of the keys that it publishes, for us, and not expired.

Keys are kept for five minutes and fetched anew for one that is not known, at most every ten seconds, so that a rotation is
followed at once and nobody can make us ask the provider all the time. While the provider is away, keys that have been seen
serve for an hour. The only module here that knows PyJWT. Facts: RFC 7517, RFC 7519, OpenID Connect Discovery 1.0.
"""

import asyncio
import hashlib
import json
import logging
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import jwt

from asya_gateway.access.tokens import SCOPE, Caller
from asya_process.settings import required, setting

log: Final = logging.getLogger(__name__)

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures alone: with a shared secret whoever can check could also make tokens."""
KEYS_KEPT_S: Final = 300.0
COOLDOWN_S: Final = 10.0
GRACE_S: Final = 3600.0
TIMEOUT_S: Final = 5.0
LEEWAY_S: Final = 30.0
TRUSTED_S: Final = 60.0
"""A token that was found good is believed for so long, or until it expires."""
MOST: Final = 10_000


class ProviderAway(Exception):
    """The provider's keys cannot be fetched, so a token can be neither accepted nor refused."""


def check_url(url: str) -> str:
    """Check that a URL is HTTPS (or local), so that nobody on the way can replace the provider's keys.

    Raises:
        ValueError: It is no such URL.
    """
    parts = urlsplit(url)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if (parts.scheme != "https" and not (parts.scheme == "http" and local)) or not parts.hostname:
        raise ValueError("must start with https:// (http:// on this machine alone)")
    return url


@dataclass(frozen=True, slots=True)
class Provider:
    """OpenID Connect provider whose tokens a gateway accepts; unset is none."""

    issuer: str = required("ASYA_GATEWAY_OIDC_ISSUER", "the provider, as in the tokens' `iss`.", check_url)
    audience: str = required("ASYA_GATEWAY_OIDC_AUDIENCE", "what the tokens' `aud` must name.")
    keys_url: str | None = setting("ASYA_GATEWAY_OIDC_JWKS_URL", check_url, None)
    """Where its keys are; unset asks the issuer's discovery document."""
    scope_claim: str = setting("ASYA_GATEWAY_OIDC_SCOPE_CLAIM", str, "scope")
    """The claim with the scopes: words in one text, or a list."""


class Verifier:
    """Checks tokens of one provider.

    Args:
        provider: Whom to believe.
        clock: Seconds that never go back.
    """

    def __init__(self, provider: Provider, clock: Callable[[], float] = time.monotonic) -> None:
        self._provider = provider
        self._clock = clock
        self._client: jwt.PyJWKClient | None = None
        self._seen: dict[str, tuple[float, jwt.PyJWK]] = {}
        self._trusted: dict[bytes, tuple[float, Caller]] = {}
        self._fetching = asyncio.Lock()
        self._away_until_s = 0.0

    @property
    def issuer(self) -> str:
        """The provider's issuer URL."""
        return self._provider.issuer

    async def admit(self, token: str) -> Caller | None:
        """Verify a token; returns its caller, or ``None`` for an invalid token.

        Raises:
            ProviderAway: Its key is not known, and the provider does not answer.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        until_s, known = self._trusted.get(digest, (0.0, None))
        if known is not None and self._clock() < until_s:
            return known
        try:
            key = await self._key(token)
            claims = self._decode(token, key)
        except jwt.PyJWTError as exc:
            log.info("token refused", extra={"error": type(exc).__name__})
            return None
        caller = self._caller(claims)
        if len(self._trusted) >= MOST:
            self._trusted.clear()
        self._trusted[digest] = (self._clock() + min(TRUSTED_S, claims["exp"] + LEEWAY_S - time.time()), caller)
        return caller

    async def _key(self, token: str) -> jwt.PyJWK:
        header = jwt.get_unverified_header(token)
        name = header.get("kid")
        if not isinstance(name, str) or header.get("alg") not in ALGORITHMS:
            raise jwt.InvalidKeyError("a token must name its key, and be signed with one of the algorithms")
        seen_s, key = self._seen.get(name, (0.0, None))
        if key is not None and self._clock() - seen_s < KEYS_KEPT_S:
            return key
        try:
            async with self._fetching:  # one at a time: whoever waited finds what the other fetched
                found = await asyncio.to_thread(self._fetch, name)
        except (jwt.PyJWKClientConnectionError, OSError, ValueError) as exc:
            self._away_until_s = max(self._away_until_s, self._clock() + COOLDOWN_S)
            if key is not None and self._clock() - seen_s < GRACE_S:
                return key
            log.warning("keys of the token provider not read", extra={"error": str(exc)})
            raise ProviderAway from exc
        self._seen[name] = (self._clock(), found)
        return found

    def _fetch(self, name: str) -> jwt.PyJWK:
        if self._clock() < self._away_until_s:
            raise OSError("the provider did not answer just now")
        if self._client is None:
            url = self._provider.keys_url or _discover(self._provider.issuer)
            self._client = jwt.PyJWKClient(url, lifespan=KEYS_KEPT_S, cooldown_duration=COOLDOWN_S, timeout=TIMEOUT_S)
        return self._client.get_signing_key(name)

    def _decode(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=self._provider.audience,
            issuer=self._provider.issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )

    def _caller(self, claims: dict[str, Any]) -> Caller:
        found = claims.get(self._provider.scope_claim, "")
        words = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
        who = hashlib.sha256(f"{claims['iss']} {claims['sub']}".encode()).hexdigest()
        scopes = frozenset(word for word in words if isinstance(word, str) and SCOPE.fullmatch(word))
        return Caller(scopes, f"oidc:{who[:32]}", claims["exp"] + LEEWAY_S)


def _discover(issuer: str) -> str:
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - check_url has seen it
        document = json.load(answer)
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise ValueError(f"{url} is of another issuer")
    try:
        return check_url(str(document.get("jwks_uri")))
    except ValueError as exc:
        raise ValueError(f"{url}: jwks_uri: {exc}") from exc
