"""The outcome of one run: results and failures, made for assertions. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from asya.testing.errors import EnvelopesFailed, NotOneResult
from asya_protocol.envelope import Envelope, parse_envelope
from asya_protocol.errors import EnvelopeError


@dataclass(frozen=True, slots=True)
class Result:
    """One envelope that reached happy-end.

    Attributes:
        payload: Decoded.
        headers: As they arrived, the trace's included.
        route: Names of the actors, as the last handler left them.
        id: ``<run>``, or ``<run>-<place>...`` for the further outputs of a fan-out.
    """

    payload: Any
    headers: dict[str, Any]
    route: tuple[str, ...]
    id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """One envelope that reached error-end, or a dead letter queue.

    Attributes:
        actor: Where it failed.
        type: Class name of the handler's exception; empty when there was none.
        message: The exception's text, or the mesh's reason.
        traceback: Of the handler; empty when there was none.
        payload: What the handler was given, decoded.
        dead_letter: It crashed the runtime, or ran out of time, too often.
        id: As in ``Result``.
    """

    actor: str
    type: str
    message: str
    traceback: str = ""
    payload: Any = None
    dead_letter: bool = False
    id: str = ""

    def __str__(self) -> str:
        where = "dead letter of " if self.dead_letter else ""
        said = f"{self.type}: {self.message}" if self.type else self.message
        return f"{where}{self.actor}: {said}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that one run came to, in the order of its fan-outs.

    Attributes:
        results: What reached happy-end. A handler that returned None ends there with the payload that it was given.
        errors: What did not.
    """

    results: list[Result] = field(default_factory=list)
    errors: list[Failure] = field(default_factory=list)

    @property
    def payloads(self) -> list[Any]:
        """Payloads of the results."""
        return [result.payload for result in self.results]

    @property
    def payload(self) -> Any:  # noqa: ANN401 - a test knows what it expects
        """Payload of the only result.

        Raises:
            EnvelopesFailed: Something failed.
            NotOneResult: There are several results.
        """
        __tracebackhide__ = True  # pytest then points at the test's own line
        self.raise_for_errors()
        if len(self.results) != 1:
            raise NotOneResult(f"{len(self.results)} results, not one: read outcome.payloads ({self.payloads!r:.500})")
        return self.results[0].payload

    def raise_for_errors(self) -> "Outcome":
        """Return itself when nothing failed.

        Raises:
            EnvelopesFailed: Something did.
        """
        __tracebackhide__ = True
        if self.errors:
            texts = [f"{failure}\n{failure.traceback}".rstrip() for failure in self.errors]
            raise EnvelopesFailed(f"{len(texts)} failed, {len(self.results)} did not\n" + "\n".join(texts))
        return self


def make_outcome(results: Iterable[Result], errors: Iterable[Failure]) -> Outcome:
    """Bring both into the order of the fan-outs, which is the same on every broker."""
    return Outcome(sorted(results, key=_place), sorted(errors, key=_place))


def read_result(body: bytes) -> Result:
    """Read what arrived at happy-end.

    Raises:
        EnvelopeError: It is no envelope.
    """
    envelope = parse_envelope(body)
    return Result(_payload(envelope), dict(envelope.headers), envelope.route.actors, envelope.id)


def read_error(body: bytes) -> Failure:
    """Read what arrived at error-end; its payload is as ``docs/protocol.md`` says, or whatever a handler sent there."""
    try:
        envelope = parse_envelope(body)
    except EnvelopeError as exc:
        return Failure("", "", f"{exc}: {body[:500]!r}")
    payload, actor = _payload(envelope), envelope.route.actor or ""
    if not isinstance(payload, dict) or "error" not in payload:
        return Failure(actor, "", f"sent to error-end with {payload!r:.500}", payload=payload, id=envelope.id)
    details = payload.get("details")
    details = details if isinstance(details, dict) else {}
    return Failure(
        actor,
        type=str(details.get("type", "")),
        message=str(details.get("message", "" if "type" in details else payload["error"])),
        traceback=str(details.get("traceback", "")),
        payload=payload.get("original_payload"),
        id=envelope.id,
    )


def read_dead_letter(actor: str, body: bytes, reason: str) -> Failure:
    """Read what an actor's sidecar put aside."""
    try:
        envelope = parse_envelope(body)
    except EnvelopeError:
        return Failure(actor, "", reason, dead_letter=True)
    return Failure(actor, "", reason, payload=_payload(envelope), dead_letter=True, id=envelope.id)


def _payload(envelope: Envelope) -> object:
    return json.loads(bytes(envelope.payload))


def _place(each: Result | Failure) -> tuple[list[int], str]:
    """Order by the numbers behind the run's id, which has no hyphen; two fan-outs in a row can give the same id twice."""
    numbers = [int(part) for part in each.id.split("-")[1:] if part.isdecimal()]
    return numbers, json.dumps(each.payload, sort_keys=True)
