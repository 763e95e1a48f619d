"""Which envelope a line of the sidecar's log is about: the fields that docs/logs.md names, by which lines are found. Pure."""

from asya_protocol import names
from asya_protocol.envelope import Envelope
from asya_protocol.trace import trace_id_of
from asya_sidecar.core.admit import Work
from asya_sidecar.core.trail import Trail


def about(work: Work | None, actor: str) -> dict[str, object]:
    """Fields of a line about an envelope at an actor; without an admitted one its id is empty."""
    if work is None:
        return {"envelope_id": "", "actor": actor}
    trace_id = trace_of(work.envelope, work.trail)
    return {
        "envelope_id": work.envelope.id,
        "actor": actor,
        "hop": work.envelope.route.current,
        "attempt": work.attempt,
        **({} if trace_id is None else {"trace_id": trace_id}),
    }


def trace_of(envelope: Envelope | None, trail: Trail | None) -> str | None:
    """The id of an envelope's trace: the hop's own where it is traced, else what came in the headers."""
    if trail is not None:
        return trail.context.trace_id
    return None if envelope is None else trace_id_of(envelope.headers.get(names.HEADER_TRACEPARENT))
