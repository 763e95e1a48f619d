"""What being seen costs one envelope, part by part: the least CPU of many tries in this process.

Others on the machine only ever add to a try, so the least of many is what the code itself takes; a whole hop's runs differ by
more than these parts are. Sending is not in it: a collector's client sends some 500 spans in one request.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from asya_process.otlp import requests_of
from asya_process.tracer import fresh_ids
from asya_protocol.envelope import parse_envelope
from asya_protocol.trace import TraceContext
from asya_sidecar.core.actions import Ack, Decision
from asya_sidecar.core.trail import Place, Sent, Subject, begin_trail, hop_spans
from asya_sidecar.metrics import Metrics
from asya_transport.port import Delivery
from bench.envelopes import ACTOR, PAYLOAD

TRIES: Final = 15
TIMES: Final = 2000
HOPS_A_BATCH: Final = 85
"""Of six spans each, as many as a request holds."""


def counting_us() -> float:
    """CPU of the metrics of one envelope: received, called, sent, settled."""
    metrics = Metrics("asya_actor", ACTOR, "memory")
    delivery = [Delivery(b"x" * 500, None, sent_s=time.time())]

    def count() -> None:
        metrics.received(delivery)
        metrics.receive_took(0.01)
        metrics.in_hand(1)
        metrics.attempted(again=False)
        metrics.called(0.01)
        metrics.sent("asya-happy-end", "happy_end", 500, 0.01)
        metrics.settled("success", None, 0.01)
        metrics.in_hand(0)

    return least_us(count)


def unrecorded_us() -> float:
    """CPU of finding out that an envelope's trace is not recorded; nothing else is done for it."""
    headers = _headers(sampled=False)
    return least_us(lambda: begin_trail(headers, fresh_ids, _as_it_came, received_s=1.0, taken_s=2.0))


def recorded_us() -> float:
    """CPU of an envelope that is recorded: its trail, its six spans, and their part of a request."""
    envelope = parse_envelope(
        json.dumps(
            {"id": "b1", "route": {"actors": [ACTOR], "current": 0}, "headers": _headers(), "payload": PAYLOAD}
        ).encode()
    )
    place, done, request = Place(ACTOR, f"asya-{ACTOR}", "memory"), Decision(Ack(), "success"), requests_of(ACTOR)

    def hop() -> list[object]:
        trail = begin_trail(envelope.headers, fresh_ids, _as_it_came, received_s=1.0, taken_s=2.0)
        assert trail is not None
        trail.called, trail.settling = (2.0, 3.0), (3.0, 4.0)
        trail.sends.append(Sent("asya-happy-end", 500, 3.0, 3.5))
        return list(hop_spans(trail, place, Subject(envelope), done, 4.0))

    def batch() -> None:
        request([span for _ in range(HOPS_A_BATCH) for span in hop()]).SerializeToString()  # type: ignore[misc]

    return least_us(batch, times=10) / HOPS_A_BATCH


def off_mib() -> float:
    """Private memory of what a sidecar without traces has in it for them: modules, of which none is OpenTelemetry's."""
    code = (
        "import psutil, asya_sidecar.core.build, asya_process.settings, logging, random, threading;"
        "look = lambda: psutil.Process().memory_full_info().uss; before = look();"
        "import asya_process.tracer, asya_process.trace_settings, asya_sidecar.core.trail;"
        "print((look() - before) / 2**20)"
    )
    tries = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    return max(float(done.stdout) for done in tries)


def least_us(do: Callable[[], object], times: int = TIMES) -> float:
    """The least CPU of one call, in microseconds."""
    found = []
    for _ in range(TRIES):
        started_s = time.process_time()
        for _ in range(times):
            do()
        found.append((time.process_time() - started_s) / times)
    return min(found) * 1e6


def _headers(*, sampled: bool = True) -> dict[str, object]:
    note: dict[str, object] = {"x-asya-trace": {"root": "c" * 16, "sent": 1780000000.5}} if sampled else {}
    return {"traceparent": str(TraceContext("a" * 32, "b" * 16, sampled)), **note}


def _as_it_came(_trace_id: str, came: TraceContext | None) -> bool:
    return came is not None and came.sampled
