"""The door to OpenTelemetry against a collector that takes, refuses, fails, stalls, takes a part, or is away."""

import time
import tracemalloc
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from asya_operator.tracing import open_reconcile_tracing
from asya_process.spans import SEMCONV, Span
from asya_process.trace_settings import TraceSettings, read_trace_settings
from asya_process.tracer import Tracer, open_tracer
from asya_protocol.trace import TraceContext
from lab.servers.otlp import Behaviour, OtlpReceiver, wait_for_spans
from lab.waits import wait_until

TRACE = "a" * 32


def span(number: int, **more: object) -> Span:
    return Span(f"send asya-{number}", TraceContext(TRACE, f"{number + 1:016x}"), "f" * 16, 10.0, 11.5, **more)  # type: ignore[arg-type]


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as running:
        yield running


def settings(url: str, **more: str) -> TraceSettings:
    return read_trace_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "50", **more})


def opened(url: str, lost: list[int], **more: str) -> Tracer:
    tracer = open_tracer(settings(url, **more), "ocr", lost.append)
    assert tracer is not None
    return tracer


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_span_arrives_as_it_was_made(receiver: OtlpReceiver, protocol: str) -> None:
    lost: list[int] = []
    url = receiver.grpc_url if protocol == "grpc" else receiver.http_url
    tracer = opened(url, lost, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    links = (TraceContext("d" * 32, "e" * 16),)
    tracer.emit([span(0, kind="producer", attributes={"n": 1, "t": "x"}, links=links, failure="broke")])
    (came,) = wait_for_spans(receiver, 1)
    tracer.close()
    assert (came.service, came.name, came.trace_id, came.span_id) == ("ocr", "send asya-0", TRACE, f"{1:016x}")
    assert (came.parent_id, came.start_s, came.end_s, came.kind, came.failed) == ("f" * 16, 10.0, 11.5, 4, True)
    assert came.attributes == {"n": 1, "t": "x"}
    assert came.links == (("d" * 32, "e" * 16),)
    assert came.schema == f"https://opentelemetry.io/schemas/{SEMCONV}"
    assert lost == []


@pytest.mark.parametrize("behaviour", ["refuses", "fails"])
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_what_the_collector_refuses_is_counted(receiver: OtlpReceiver, behaviour: Behaviour, protocol: str) -> None:
    """OpenTelemetry's own ``force_flush`` says True here."""
    receiver.behaviour = behaviour
    lost: list[int] = []
    url = receiver.grpc_url if protocol == "grpc" else receiver.http_url
    tracer = opened(url, lost, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    tracer.emit([span(number) for number in range(5)])
    wait_until(lambda: sum(lost) == 5, 60.0, "five are lost", lambda: str(lost))
    tracer.close()
    assert tracer.lost == 5
    assert receiver.spans == []


def test_a_part_that_the_collector_did_not_take_is_counted(receiver: OtlpReceiver) -> None:
    receiver.behaviour = "takes_a_part"
    lost: list[int] = []
    tracer = opened(receiver.http_url, lost)
    tracer.emit([span(number) for number in range(4)])
    wait_until(lambda: sum(lost) == 2, 30.0, "two are lost", lambda: str(lost))
    tracer.close()
    assert len(receiver.spans) == 2


@pytest.mark.parametrize("behaviour", ["stalls", "away"])
def test_the_end_does_not_wait_for_a_collector_that_hangs_or_is_away(receiver: OtlpReceiver, behaviour: str) -> None:
    url = "http://127.0.0.1:9" if behaviour == "away" else receiver.http_url
    receiver.behaviour = "stalls"
    lost: list[int] = []
    tracer = opened(url, lost)
    tracer.emit([span(number) for number in range(7)])
    began_s = time.monotonic()
    tracer.close(0.3)
    assert (
        time.monotonic() - began_s < 20.0
    )  # bounded by its argument, and not by the exporter's ten seconds and retries
    assert (tracer.lost, sum(lost)) == (7, 7)


def test_what_waits_is_bounded_and_the_rest_is_counted(receiver: OtlpReceiver) -> None:
    receiver.behaviour = "stalls"
    lost: list[int] = []
    tracer = opened(receiver.http_url, lost, OTEL_BSP_MAX_QUEUE_SIZE="100", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10")
    tracer.emit([span(number) for number in range(1000)])
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(20):
        tracer.emit([span(number) for number in range(1000)])
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(lost) == 20_900
    assert after - before < 1_000_000
    tracer.close(0.1)
    assert tracer.lost == 21_000


def test_a_collector_that_comes_back_gets_what_comes_then(receiver: OtlpReceiver) -> None:
    receiver.behaviour = "refuses"
    lost: list[int] = []
    tracer = opened(receiver.http_url, lost)
    tracer.emit([span(0)])
    wait_until(lambda: sum(lost) == 1, 30.0, "one is lost", lambda: str(lost))
    receiver.behaviour = "takes"
    tracer.emit([span(1)])
    (came,) = wait_for_spans(receiver, 1)
    tracer.close()
    assert came.name == "send asya-1"


@pytest.mark.parametrize(
    ("sampler", "ratio", "parent", "sampled"),
    [
        ("parentbased_always_on", "1", None, True),
        ("parentbased_always_on", "1", False, False),
        ("parentbased_always_off", "1", True, True),
        ("parentbased_always_off", "1", None, False),
        ("parentbased_traceidratio", "0", None, False),
        ("parentbased_traceidratio", "0", True, True),
        ("always_on", "0", False, True),
        ("traceidratio", "0", True, False),
    ],
)
def test_the_beginning_of_a_trace_decides(
    receiver: OtlpReceiver, sampler: str, ratio: str, parent: bool | None, sampled: bool
) -> None:
    tracer = opened(receiver.http_url, [], OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=ratio)
    came = None if parent is None else TraceContext(TRACE, "b" * 16, parent)
    assert tracer.samples(TRACE, came) is sampled
    tracer.close(0.1)


def test_a_tenth_of_the_traces_is_about_a_tenth(receiver: OtlpReceiver) -> None:
    tracer = opened(
        receiver.http_url, [], OTEL_TRACES_SAMPLER="parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG="0.1"
    )
    step = (1 << 64) // 1000
    assert sum(tracer.samples(f"{number * step:032x}") for number in range(1000)) in (100, 101)
    tracer.close(0.1)


def test_a_reconcile_of_the_operator_is_a_trace_of_its_own(receiver: OtlpReceiver) -> None:
    registry = CollectorRegistry()
    tracing = open_reconcile_tracing(settings(receiver.http_url), registry)
    tracing.finish("shop", "ocr", 10.0, 11.0, "")
    tracing.finish("shop", "ocr", 12.0, 13.0, "Conflict: somebody else")
    first, second = wait_for_spans(receiver, 2)
    tracing.close()
    assert (first.service, first.name, first.parent_id, first.failed) == ("asya-operator", "reconcile ocr", "", False)
    assert first.attributes == {"k8s.namespace.name": "shop", "asya.actor": "ocr"}
    assert (second.failed, second.trace_id == first.trace_id) == (True, False)
    assert registry.get_sample_value("asya_operator_trace_spans_lost_total") == 0.0
