"""One dead letter, parsed from its delivery: reason, counters, and the body to send again. No I/O.

Bodies that are no envelopes are dead letters like others: what cannot be read is ``None``, and their bytes are kept.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from asya_protocol import names
from asya_protocol.envelope import Envelope, parse_envelope, parse_object
from asya_protocol.errors import EnvelopeError
from asya_protocol.trace import TraceNote, read_note
from asya_transport.port import Delivery

COUNTERS: Final = frozenset({names.HEADER_ATTEMPT, names.HEADER_DELIVERY})
"""Envelope headers that end with the hop; without them an envelope has all its attempts again."""
_MARKS: Final = frozenset({names.ATTRIBUTE_REASON, names.ATTRIBUTE_QUEUE})
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True, eq=False)
class DeadLetter:
    """One entry of a dead letter queue.

    Attributes:
        queue: The dead letter queue that holds it.
        body: Its bytes.
        attributes: Transport attributes, reason and queue among them.
        received: How often the broker handed it out, as far as it tells.
        envelope: What the body says; ``None`` when it is no envelope.
        problem: Why it is no envelope; empty when it is one.
        document: The body's top-level values, undecoded; ``None`` when it is no JSON object.
    """

    queue: str
    body: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    received: int = 1
    envelope: Envelope | None = None
    problem: str = ""
    document: Mapping[str, msgspec.Raw] | None = None

    @property
    def id(self) -> str | None:
        """The envelope's id."""
        return self.envelope.id if self.envelope is not None else None

    @property
    def parent(self) -> str | None:
        """The id of the envelope that it was split off."""
        return self.envelope.parent_id if self.envelope is not None else None

    @property
    def size(self) -> int:
        """Bytes of its body."""
        return len(self.body)

    @property
    def actor(self) -> str | None:
        """The actor whose turn it is."""
        return self.envelope.route.actor if self.envelope is not None else None

    @property
    def reason(self) -> str | None:
        """Why it is here; ``None`` when the broker moved it by itself."""
        return self.attributes.get(names.ATTRIBUTE_REASON)

    @property
    def source(self) -> str:
        """The queue it came from: from its attributes, or derived from the dead letter queue's name."""
        return self.attributes.get(names.ATTRIBUTE_QUEUE) or self.queue.removesuffix(names.DLQ_SUFFIX)

    @property
    def attempts(self) -> int | None:
        """Attempts of the handler at its hop, the last one included."""
        return self._count(names.HEADER_ATTEMPT)

    @property
    def deliveries(self) -> int | None:
        """Deliveries of its hop that crashes and timeouts used up, the last one included."""
        return self._count(names.HEADER_DELIVERY)

    @property
    def identity(self) -> bytes:
        """What tells it from others of its queue: the id, or a digest of the body without one."""
        return self.id.encode() if self.id is not None else hashlib.sha256(self.body).digest()

    def fresh_body(self) -> bytes:
        """The body for another go: without the hop's counters, every other value's bytes as they were.

        Its trace goes on; when it was sent first is no longer since when it waits.
        """
        document = self.document
        changing = COUNTERS | {names.HEADER_TRACE}
        if self.envelope is None or document is None or not changing & self.envelope.headers.keys():
            return self.body
        headers = _OBJECT.decode(document["headers"])
        kept = {name: raw for name, raw in headers.items() if name not in changing}
        if (note := read_note(self.envelope.headers)) is not None:
            kept[names.HEADER_TRACE] = msgspec.Raw(msgspec.json.encode(TraceNote(note.root_id).as_json()))
        changed = {name: raw for name, raw in document.items() if name != "headers" or kept}
        return msgspec.json.encode({**changed, "headers": kept} if kept else changed)

    def fresh_attributes(self) -> dict[str, str]:
        """The attributes for another go: without those that made it a dead letter."""
        return {name: value for name, value in self.attributes.items() if name not in _MARKS}

    def _count(self, header: str) -> int | None:
        if self.envelope is None:
            return None
        count = self.envelope.headers.get(header, 1)
        return count if isinstance(count, int) and not isinstance(count, bool) else None


def read_dead_letter(delivery: Delivery, queue: str) -> DeadLetter:
    """Read whatever can be read of a delivery from a dead letter queue."""
    document: Mapping[str, msgspec.Raw] | None = None
    envelope, problem = None, ""
    try:
        document = parse_object(delivery.body)
        envelope = parse_envelope(delivery.body)
    except EnvelopeError as exc:
        problem = str(exc)
    return DeadLetter(queue, delivery.body, delivery.attributes, delivery.delivery_count, envelope, problem, document)
