"""Pure parts of the RabbitMQ consumer and admin: counts, headers, arguments, the management URL."""

import pytest

from asya_protocol.errors import SettingsError
from asya_transport.port import QueueSpec
from asya_transport.rabbitmq.admin import estimate_in_flight, queue_arguments
from asya_transport.rabbitmq.consumer import read_attributes, read_delivery_count
from asya_transport.rabbitmq.management import Management, Sample


@pytest.mark.parametrize(
    ("headers", "redelivered", "count"),
    [({}, False, 1), ({}, True, 2), ({"x-delivery-count": 0}, False, 1), ({"x-delivery-count": 4}, True, 5)],
)
def test_deliveries_are_counted_as_far_as_the_broker_tells(
    headers: dict[str, int], redelivered: bool, count: int
) -> None:
    """Quorum queues count, classic ones only say: again."""
    assert read_delivery_count(headers, redelivered=redelivered) == count


def test_headers_become_text_without_the_brokers_bookkeeping() -> None:
    """Nested values have no text that a person would want."""
    headers = {
        "a": "x",
        "b": b"y",
        "c": 3,
        "d": True,
        "x-delivery-count": 1,
        "x-death": [{}],
        "x-first-death-queue": "q",
    }
    assert read_attributes(headers) == {"a": "x", "b": "y", "c": "3", "d": "true"}


def test_an_actors_queue_dead_letters_at_the_asked_delivery() -> None:
    """RabbitMQ's limit counts returns, one less than deliveries."""
    arguments = queue_arguments("asya-ocr", QueueSpec(max_deliveries=3), (3, 10))
    assert arguments == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 2,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "asya-ocr-dlq",
        "x-consumer-timeout": 604_800_000,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    assert "x-overflow" not in queue_arguments("asya-ocr", QueueSpec(), (3, 8))


@pytest.mark.parametrize(
    ("ready", "sample", "in_flight"),
    [
        (3, None, 0),
        (3, Sample(3, 0), 0),
        (1, Sample(3, 0), 2),
        (9, Sample(3, 0), 0),
        (0, Sample(0, 4), 4),
        (0, Sample(5, 2), 2),
    ],
)
def test_what_left_a_queue_since_the_sample_counts_as_in_flight(
    ready: int, sample: Sample | None, in_flight: int
) -> None:
    """Until a newer sample says otherwise, so that a busy actor never looks idle."""
    assert estimate_in_flight(ready, sample) == in_flight


@pytest.mark.parametrize("url", ["broker:15672", "ftp://broker", "http://", "http://broker:port"])
def test_a_management_url_that_cannot_be_used_names_its_variable(url: str) -> None:
    """At start, not at the first request."""
    with pytest.raises(SettingsError, match="ASYA_RABBITMQ_MANAGEMENT_URL"):
        Management(url, "/", None)
