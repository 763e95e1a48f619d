"""Replay: what is sent when an envelope that ended in error-end is to run again. Pure.

The id, the parent, the lineage, the groups and the trace stay as they were; the counters of the hop and the deadline, which
belonged to the run that failed, go. ``x-asya-replay`` marks the run, so that dedup and fan-in do not take it for the one
before.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from asya_protocol import names
from asya_protocol.envelope import Envelope, Route, parse_envelope, read_lineage
from asya_protocol.errors import EnvelopeError
from asya_protocol.partial import failed_place, missing_children

_TOKEN_CHARS: Final = 8
_FRESH: Final = dict.fromkeys((
    names.HEADER_ATTEMPT, names.HEADER_DELIVERY, names.HEADER_DELAY, names.HEADER_NOT_BEFORE, names.HEADER_FAILED,
))  # fmt: skip


class NotReplayable(Exception):
    """It cannot be sent again; the text says why."""


class _Details(msgspec.Struct, frozen=True):
    """What a handler's exception was."""

    type: str = ""
    message: str = ""


class _Failure(msgspec.Struct, frozen=True):
    """The payload that error-end gets."""

    error: str = ""
    details: _Details = _Details()
    original_payload: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    original_claim: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_FAILURE: Final = msgspec.json.Decoder(_Failure)


@dataclass(frozen=True, slots=True)
class Failed:
    """An envelope as error-end got it.

    Attributes:
        envelope: Its place is the hop that failed; its payload tells why.
        error: The code, or the sentence, of why.
        type: Of the handler's exception; empty where there was none.
        message: Of the same.
        given: What the hop was given, or the claim to it; ``None`` where that is not known.
        claimed: Whether ``given`` is a claim.
        token: Names the failure: another one of the same envelope has another.
    """

    envelope: Envelope
    error: str
    type: str
    message: str
    given: msgspec.Raw | None
    claimed: bool
    token: str

    @property
    def cause(self) -> str:
        """Why, in words."""
        return f"{self.type}: {self.message}" if self.type else self.error

    @property
    def of_group(self) -> bool:
        """Whether it is the end of a group that could not be joined, which only its children can mend."""
        route = self.envelope.route
        return failed_place(route.actors, route.current, self.type) != route.current

    @property
    def missing(self) -> tuple[int, ...]:
        """Places of the children without which its group could not be joined; empty of any other failure."""
        return missing_children(self.envelope.headers) if self.of_group else ()

    @property
    def cancelled(self) -> bool:
        """Whether its caller did not want it any more."""
        return self.error == names.CANCELLED


def read_failed(body: bytes) -> Failed:
    """Read what error-end has persisted.

    Raises:
        NotReplayable: It is no envelope of a hop that failed.
    """
    try:
        envelope = parse_envelope(body)
        failure = _FAILURE.decode(envelope.payload)
    except (EnvelopeError, msgspec.DecodeError, UnicodeError) as exc:
        raise NotReplayable(f"what error-end keeps is no failed envelope: {exc}") from exc
    claimed = not isinstance(failure.original_claim, msgspec.UnsetType)
    given = failure.original_claim if claimed else failure.original_payload
    return Failed(
        envelope,
        failure.error,
        failure.details.type,
        failure.details.message,
        None if isinstance(given, msgspec.UnsetType) else given,
        claimed,
        hashlib.sha256(body).hexdigest()[:_TOKEN_CHARS],
    )


def from_hop(failed: Failed) -> Envelope:
    """Make the envelope that runs again from the hop that failed.

    Raises:
        NotReplayable: Nobody knows what the hop was given, its caller cancelled it, or it failed for want of its children.
    """
    if failed.cancelled:
        raise NotReplayable("it was cancelled by its caller; send it anew")
    if failed.of_group:
        raise NotReplayable("it failed for want of its children: these are what is to be replayed")
    if failed.given is None or failed.envelope.route.actor is None:
        raise NotReplayable("error-end keeps no input of the hop that refused it")
    made = replace(failed.envelope, payload=failed.given, deadline=None).with_headers(
        {**_FRESH, names.HEADER_REPLAY: failed.token}
    )
    if not failed.claimed:
        return made
    claim = msgspec.json.decode(failed.given)
    return replace(made, payload=msgspec.Raw(b"null")).with_headers({names.HEADER_CLAIM: claim})


def from_start(failed: Failed, actors: tuple[str, ...] = (), payload: bytes | None = None) -> Envelope:
    """Make the envelope that runs again from where it was sent.

    Args:
        failed: How it ended.
        actors: The route that it was sent with, and
        payload: what it was sent with, where somebody knows; without them only what failed at its first hop can begin anew.

    Raises:
        NotReplayable: Its beginning is not known, or as for ``from_hop``.
    """
    if failed.cancelled:
        raise NotReplayable("it was cancelled by its caller; send it anew")
    if payload is None or not actors:
        if failed.envelope.route.current == 0 and not failed.of_group:
            return from_hop(failed)
        raise NotReplayable("nobody keeps what it was sent with; from the hop that failed it can go: --from hop")
    if read_lineage(failed.envelope.headers):
        raise NotReplayable("a fan-out made it; its start is its parent's")
    whole = {**_FRESH, names.HEADER_REPLAY: failed.token, names.HEADER_MISSING: None, names.HEADER_FAN_IN: None}
    route = Route(actors, 0, failed.envelope.route.extra)
    return replace(failed.envelope, route=route, payload=msgspec.Raw(payload), deadline=None).with_headers(whole)


def replay_mark(envelope: Envelope) -> str:
    """Which run of an envelope it is: empty for the first."""
    found = envelope.headers.get(names.HEADER_REPLAY)
    return found[:_TOKEN_CHARS] if isinstance(found, str) else ""
