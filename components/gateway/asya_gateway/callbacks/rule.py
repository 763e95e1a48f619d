"""What decides about callbacks: which addresses are let in, what an answer means, when it is tried again. Pure.

Facts: Standard Webhooks (github.com/standard-webhooks/standard-webhooks, spec: 2xx is success, 3xx is not, 410 ends a
subscription, Retry-After is honoured); RFC 9110, 10.2.3 for Retry-After; the IANA registries of special addresses, as
``ipaddress`` has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal

from asya_process.backoff import pause_after

FIRST_S: Final = 2.0
LONGEST_S: Final = 3600.0
"""The pause doubles from the first to this one: some 35 attempts in a day."""
SHORTEST_S: Final = 1.0
"""The shortest pause that an answer can ask for."""
GONE: Final = 410
LONGEST_WORDS: Final = 200

_UNICAST: Final = ip_network("2000::/3")
_TO_V4: Final = (ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96"))
"""IPv6 addresses that are an IPv4 address in their last four bytes: mapped ones, and those of NAT64 (RFC 6052)."""
_6TO4: Final = ip_network("2002::/16")


@dataclass(frozen=True, slots=True)
class Allowed:
    """Addresses that are let in though they are not public.

    Attributes:
        hosts: Names as URLs have them, lower case; whatever they resolve to is let in.
        networks: Of addresses.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def let_in(self, host: str, address: str) -> bool:
        """Whether an address may be connected to.

        Args:
            host: The URL's, lower case.
            address: What it resolved to.
        """
        found = _plain(ip_address(address))
        return host in self.hosts or is_public(found) or any(found in network for network in self.networks)


def read_allowed(text: str) -> Allowed:
    """Read networks and hosts, separated by commas.

    Raises:
        ValueError: One is neither.
    """
    hosts, networks = set(), []
    for word in filter(None, (part.strip().lower() for part in text.split(","))):
        try:
            networks.append(ip_network(word))
        except ValueError:
            if not word.isascii() or "/" in word or ":" in word or word.replace(".", "").isdecimal():
                raise ValueError(f"{word!r} is neither a network like 10.0.0.0/8 nor the name of a host") from None
            hosts.add(word)
    return Allowed(frozenset(hosts), tuple(networks))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet: everything else is somebody's own network, or no host at all."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    if address in _6TO4:
        return address.sixtofour is not None and is_public(address.sixtofour)
    return address in _UNICAST and address.is_global


def choose_address(found: Sequence[str], host: str, allowed: Allowed) -> str | None:
    """Choose the address to connect to of those that a name resolved to: the first that is let in."""
    return next((address for address in found if allowed.let_in(host, address)), None)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv6Address) and any(address in network for network in _TO_V4):
        return IPv4Address(address.packed[-4:])
    return address


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt.

    Attributes:
        status: Of the answer; ``None`` where there was none.
        retry_after: The answer's header of that name; empty without.
        problem: Why there was no answer.
        hopeless: Trying again would come to the same: the address is not let in.
    """

    status: int | None = None
    retry_after: str = ""
    problem: str = ""
    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery.

    Attributes:
        outcome: ``delivered``; ``again``, after a pause; ``dead``, until a person redrives it.
        pause_s: Before the next attempt.
        told: Why it was not delivered.
    """

    outcome: Literal["delivered", "again", "dead"]
    pause_s: float = 0.0
    told: str = ""


def judge(attempt: Attempt, attempts: int, now: datetime, last: datetime, chance: float) -> Verdict:
    """Decide what becomes of a delivery after an attempt.

    Args:
        attempt: What came of it.
        attempts: How many there have been, this one counted.
        now: UTC.
        last: No attempt is made after this moment.
        chance: From 0 to 1; spreads the attempts of those that failed together.
    """
    if attempt.status is not None and 200 <= attempt.status < 300:
        return Verdict("delivered")
    told = (attempt.problem if attempt.status is None else f"answered {attempt.status}")[:LONGEST_WORDS]
    if attempt.hopeless or attempt.status == GONE:
        return Verdict("dead", told=told)
    asked_s = read_retry_after(attempt.retry_after, now)
    usual_s = pause_after(attempts, FIRST_S, LONGEST_S) * (0.75 + chance / 2)
    pause_s = usual_s if asked_s is None else max(SHORTEST_S, asked_s)
    if (last - now).total_seconds() < pause_s:
        return Verdict("dead", told=told)
    return Verdict("again", pause_s, told)


def read_retry_after(text: str, now: datetime) -> float | None:
    """Read the header: seconds, or a date; ``None`` for anything else."""
    text = text.strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
