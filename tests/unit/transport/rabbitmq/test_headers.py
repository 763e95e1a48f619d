"""AMQP headers: how often a body came, and what of them is the sender's."""

from typing import Any

import pytest

from asya_transport.rabbitmq.headers import read_attributes, read_delivery_count


@pytest.mark.parametrize(
    ("headers", "redelivered", "count"),
    [
        ({}, False, 1),
        ({}, True, 2),
        ({"x-delivery-count": 0}, False, 1),
        ({"x-delivery-count": 4}, True, 5),
        ({"x-acquired-count": 3}, True, 4),
        ({"x-acquired-count": 6, "x-delivery-count": 2}, True, 7),
    ],
)
def test_deliveries_are_counted_as_far_as_the_broker_tells(
    headers: dict[str, int], redelivered: bool, count: int
) -> None:
    """Quorum queues count, classic ones only say: again."""
    assert read_delivery_count(headers, redelivered=redelivered) == count


@pytest.mark.parametrize("headers", [{"x-delivery-count": 99}, {"x-acquired-count": 7}, {"x-delivery-count": "many"}])
def test_what_a_body_brings_along_counts_for_another_queue(headers: dict[str, Any]) -> None:
    """A sender may write it, a shovel carry it, and a broker that dead-letters by itself leave it in."""
    assert read_delivery_count(headers, redelivered=False) == 1


def test_headers_become_text_without_the_brokers_bookkeeping() -> None:
    """Nested values have no text that a person would want."""
    headers = {
        "a": "x",
        "b": b"y",
        "c": 3,
        "d": True,
        "x-tenant": "blue",
        "x-delivery-count": 1,
        "x-acquired-count": 3,
        "x-death": [{}],
        "x-first-death-queue": "q",
        "x-last-death-reason": "rejected",
        "x-opt-enqueued-time": 1,
        "x-shovelled": [{}],
        "x-received-from": "upstream",
    }
    assert read_attributes(headers) == {"a": "x", "b": "y", "c": "3", "d": "true", "x-tenant": "blue"}
