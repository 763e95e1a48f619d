"""Spans as requests: the same as the SDK's own way makes of them, and nothing in them costs others of the batch."""

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from asya_process.otlp import requests_of
from asya_process.spans import Span, Value
from asya_protocol.trace import TraceContext

OWN = TraceContext("a" * 32, "b" * 16)
ATTRIBUTES: dict[str, Value] = {"text": "äöü", "n": 7, "minus": -1, "zero": 0, "cost": 0.25, "yes": True, "empty": ""}


def context(of: TraceContext, *, remote: bool) -> SpanContext:
    return SpanContext(int(of.trace_id, 16), int(of.span_id, 16), remote, TraceFlags(TraceFlags.SAMPLED))


def by_the_sdk(span: Span) -> ReadableSpan:
    parent = None if span.parent_id is None else TraceContext(span.context.trace_id, span.parent_id)
    return ReadableSpan(
        name=span.name,
        context=context(span.context, remote=False),
        parent=None if parent is None else context(parent, remote=True),
        resource=Resource({}),
        attributes=span.attributes,
        links=[Link(context(link, remote=True)) for link in span.links],
        kind=SpanKind[span.kind.upper()],
        status=Status(StatusCode.ERROR, span.failure) if span.failure else Status(),
        start_time=int(span.start_s * 1e9),
        end_time=int(span.end_s * 1e9),
    )


def spans_of(request: ExportTraceServiceRequest) -> list[bytes]:
    made = request.resource_spans[0].scope_spans[0].spans
    for span in made:
        if not span.status.code:
            span.ClearField("status")  # absent and unset are the same to whoever reads it
    return [span.SerializeToString(deterministic=True) for span in made]


@pytest.mark.parametrize(
    "span",
    [
        Span("process asya-ocr", OWN, None, 1.5, 2.25, "consumer", ATTRIBUTES),
        Span("wait asya-ocr", OWN, "c" * 16, 1.0, 1.0, "internal", {}, (TraceContext("d" * 32, "e" * 16),)),
        *(Span("any", OWN, "c" * 16, 1.0, 2.0, kind) for kind in ("server", "client", "producer")),
        Span("handle ocr", OWN, "c" * 16, 1.0, 2.0, failure="ValueError: no page"),
    ],
)
def test_a_span_is_what_the_sdk_makes_of_it(span: Span) -> None:
    assert spans_of(requests_of("ocr")([span, span])) == spans_of(encode_spans([by_the_sdk(span)] * 2))


def test_true_one_and_one_point_nought_stay_apart() -> None:
    span = Span("any", OWN, None, 1.0, 2.0, attributes={"n": 1})
    found = [Span("any", OWN, None, 1.0, 2.0, attributes={"n": value}) for value in (True, 1.0)]
    made = requests_of("ocr")([span, *found]).resource_spans[0].scope_spans[0].spans
    assert [each.attributes[0].value.WhichOneof("value") for each in made] == [
        "int_value",
        "bool_value",
        "double_value",
    ]


def test_a_count_that_no_collector_takes_goes_as_text_and_the_batch_with_it() -> None:
    span = Span("any", OWN, None, 1.0, 2.0, attributes={"asya.attempt": 10**30})
    (made,) = requests_of("ocr")([span]).resource_spans[0].scope_spans[0].spans
    assert made.attributes[0].value.string_value == str(10**30)
