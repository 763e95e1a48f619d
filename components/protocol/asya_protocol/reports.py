"""Reports of sidecars to the gateway: the bodies of its report routes, as both ends use them. Pure.

``message`` is for people. Whatever a program needs has a field of its own; no one parses the message. The bodies
are those of Asya 0.1.1, whose gateway ignores the fields that are ours (``by``, ``retry``).
"""

from typing import Annotated, Any, Literal

import msgspec

from asya_protocol.partial import LONGEST_PATH

Index = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
"""Place in a route; what the database's int holds."""
Path = Annotated[str, msgspec.Meta(max_length=LONGEST_PATH)]
"""Of a child within children."""
Seconds = Annotated[float, msgspec.Meta(ge=0, le=10**9)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=10**12)]
Json = msgspec.Raw | msgspec.UnsetType
"""A user's value, handed on as the bytes that it came in."""


HowEnded = Literal["joined", "early"]
"""``joined``: fan-in has taken it into its group. ``early``: the handler returned nothing, so that the rest did not run."""


class Retry(msgspec.Struct, frozen=True, omit_defaults=True):
    """An attempt that failed and is made again.

    Attributes:
        attempt: Its number, from 1.
        again_in_s: Seconds from the report to the earliest start of the next one.
        cause: Why it failed.
        delivery: Which delivery of the attempt it was, where a crash or a timeout ended it; those cost no attempt.
        deliveries: How many there are before the envelope becomes a dead letter.
    """

    attempt: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    again_in_s: Seconds
    cause: str
    delivery: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    deliveries: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None

    @property
    def words(self) -> str:
        """The same for people."""
        which = f"Attempt {self.attempt}" if self.delivery is None else f"Delivery {self.delivery} of {self.deliveries}"
        return f"{which} failed, next in {self.again_in_s:.1f} s: {self.cause}"


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a progress report says besides place and phase.

    Attributes:
        by: The actor at work; an end actor has no place in the route, so only this names it.
        duration_ms: Length of the handler call, of a call that completed.
        retry: The attempt that failed; ``None`` where none did.
        ended: Of an end, how, where that is not the end of its route: see ``HowEnded``.
        until: Of a completed call, the moment for which the envelope that it made waits, RFC 3339.
    """

    by: str | None = None
    duration_ms: Milliseconds | None = None
    retry: Retry | None = None
    ended: HowEnded | None = None
    until: str | None = None


class ProgressBody(Facts, frozen=True, omit_defaults=True, kw_only=True):
    """Where an envelope is.

    Attributes:
        actors: The route that it carries.
        current_actor_idx: Place of the reporting actor in it.
        status: ``received``, ``processing`` or ``completed``.
        message: In words.
        message_size_kb: Size of the envelope as it was received.
        mark: What the gateway gave the envelope to show, from its headers; ours, as are ``by`` and ``retry``.
    """

    actors: list[str] | None = None
    current_actor_idx: Index | None = None
    status: str | None = None
    message: str | None = None
    message_size_kb: float | None = None
    mark: str | None = None

    @property
    def facts(self) -> Facts | None:
        """The facts alone; ``None`` where there are none, as in the reports of Asya 0.1.1."""
        found = Facts(self.by, self.duration_ms, self.retry, self.ended, self.until)
        return None if found == Facts() else found


class ChildBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A fan-out made an envelope.

    Attributes:
        id: The new envelope.
        parent_id: The envelope that was fanned out.
        actors: Its route.
        current: Its place in it.
        mark: What the gateway gave the envelope to show, from its headers; ours, as are ``by`` and ``retry``.
        until: The moment for which it waits, RFC 3339; ours.
    """

    id: str | None = None
    parent_id: str | None = None
    actors: list[str] | None = None
    current: Index | None = None
    mark: str | None = None
    until: str | None = None


class FinalBody(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How an envelope ended.

    Attributes:
        id: The envelope, which the path names too.
        status: ``succeeded`` or ``failed``.
        timestamp: When, RFC 3339.
        progress: 1.0 of a success.
        result: What came out.
        error: Why it failed; text, or JSON from others than our sidecars.
        error_details: More about the error.
        metadata: ``s3_uri`` says where the result was persisted.
        current_actor_idx: Place where it failed.
        current_actor_name: The actor there.
        actors: The route.
        mark: What the gateway gave the envelope to show, from its headers; ours, as are ``by`` and ``retry``.
        ended: How, where that is not the end of its route.
        missing: The children without which its fan-out was joined, see ``partial.lacking``; ours.
    """

    id: str | None = None
    status: str | None = None
    timestamp: Any = None
    progress: Any = None
    result: Json = msgspec.UNSET
    error: Any = None
    error_details: Json = msgspec.UNSET
    metadata: dict[str, Any] | None = None
    current_actor_idx: Index | None = None
    current_actor_name: str | None = None
    actors: list[str] | None = None
    mark: str | None = None
    ended: HowEnded | None = None
    missing: list[Index | Path] | None = None


class BatchEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One report of a batch.

    Attributes:
        kind: Which route it would have on its own.
        id: The envelope of a progress report.
        body: The body of that route.
    """

    kind: Literal["progress", "child"]
    id: str = ""
    body: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))


class BatchBody(msgspec.Struct, frozen=True):
    """Many reports in one request, in the order in which they are to be taken."""

    reports: list[BatchEntry]


class BatchAnswer(msgspec.Struct, frozen=True):
    """HTTP status of each report of a batch, the one that its own route would have answered."""

    statuses: list[int]
