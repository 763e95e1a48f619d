"""Pure parts of the RabbitMQ admin: a queue's arguments, and what counts as in flight."""

import pytest

from asya_transport.port import QueueSpec
from asya_transport.rabbitmq.admin import estimate_in_flight, queue_arguments
from asya_transport.rabbitmq.management import Sample


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
