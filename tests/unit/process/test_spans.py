"""Names and attributes of spans, as a table, held against the conventions' own package."""

import importlib

import pytest

from asya_process import spans
from asya_process.spans import Operation, operation_attributes, operation_kind, operation_name

QUEUE = "asya-ocr"

ROWS: list[tuple[Operation, str, str, str]] = [
    ("send", "send asya-ocr", "producer", "send"),
    ("receive", "receive asya-ocr", "client", "receive"),
    ("process", "process asya-ocr", "consumer", "process"),
    ("ack", "ack asya-ocr", "client", "settle"),
    ("retry", "retry asya-ocr", "client", "settle"),
    ("release", "release asya-ocr", "client", "settle"),
    ("dead_letter", "dead_letter asya-ocr", "client", "settle"),
]


@pytest.mark.parametrize(("operation", "name", "kind", "kind_of_operation"), ROWS)
def test_every_operation_has_its_name_kind_and_type(
    operation: Operation, name: str, kind: str, kind_of_operation: str
) -> None:
    attributes = operation_attributes(operation, QUEUE, "sqs", envelope_id="e1", body_bytes=7, batch=2)
    assert operation_name(operation, QUEUE) == name
    assert operation_kind(operation) == kind
    assert attributes == {
        "messaging.system": "aws_sqs",
        "messaging.operation.name": operation,
        "messaging.operation.type": kind_of_operation,
        "messaging.destination.name": QUEUE,
        "messaging.message.id": "e1",
        "messaging.message.body.size": 7,
        "messaging.batch.message_count": 2,
    }


@pytest.mark.parametrize(
    ("transport", "system"), [("sqs", "aws_sqs"), ("rabbitmq", "rabbitmq"), ("memory", "asya_memory")]
)
def test_the_broker_has_the_conventions_name(transport: str, system: str) -> None:
    assert operation_attributes("ack", QUEUE, transport)["messaging.system"] == system


def test_what_is_not_known_is_left_out() -> None:
    assert "messaging.message.id" not in operation_attributes("ack", QUEUE, "sqs")


@pytest.mark.parametrize(
    ("module", "name", "ours"),
    [
        ("messaging", "MESSAGING_SYSTEM", spans.SYSTEM),
        ("messaging", "MESSAGING_OPERATION_NAME", spans.OPERATION_NAME),
        ("messaging", "MESSAGING_OPERATION_TYPE", spans.OPERATION_TYPE),
        ("messaging", "MESSAGING_DESTINATION_NAME", spans.DESTINATION),
        ("messaging", "MESSAGING_MESSAGE_ID", spans.MESSAGE_ID),
        ("messaging", "MESSAGING_MESSAGE_BODY_SIZE", spans.BODY_SIZE),
        ("messaging", "MESSAGING_BATCH_MESSAGE_COUNT", spans.BATCH_COUNT),
        ("error", "ERROR_TYPE", spans.ERROR_TYPE),
        ("k8s", "K8S_NAMESPACE_NAME", spans.NAMESPACE),
        ("gen_ai", "GEN_AI_TOOL_NAME", spans.TOOL_NAME),
    ],
)
def test_our_names_are_those_of_the_package(module: str, name: str, ours: str) -> None:
    package = importlib.import_module(f"opentelemetry.semconv._incubating.attributes.{module}_attributes")
    assert getattr(package, name) == ours


def test_the_pinned_version_is_one_that_the_package_knows() -> None:
    schemas = importlib.import_module("opentelemetry.semconv.schemas")
    known = {schema.value for schema in schemas.Schemas}
    assert f"https://opentelemetry.io/schemas/{spans.SEMCONV}" in known


def test_types_of_operations_are_the_conventions() -> None:
    package = importlib.import_module("opentelemetry.semconv._incubating.attributes.messaging_attributes")
    known = {value.value for value in package.MessagingOperationTypeValues}
    assert {row[3] for row in ROWS} <= known
