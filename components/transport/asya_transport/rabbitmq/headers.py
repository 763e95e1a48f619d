"""What the headers of a delivery say: the sender's attributes, and what the broker keeps for itself. No I/O.

Sources: https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling, https://www.rabbitmq.com/docs/dlx#effects,
https://www.rabbitmq.com/docs/message-interceptors
"""

from collections.abc import Mapping
from typing import Any, Final

ACQUIRED: Final = "x-acquired-count"
"""How often a quorum queue handed it out before, whatever came of it; since 4.3."""
DELIVERIES: Final = "x-delivery-count"
"""How often it came back to a quorum queue; from 4.3 on without what was released."""
BOOKKEEPING: Final = (
    ACQUIRED,
    DELIVERIES,
    "x-death",
    "x-first-death-",
    "x-last-death-",
    "x-opt-",  # annotations, as AMQP 1.0 names them
    "x-received-from",  # federation
    "x-shovelled",
    "x-routed-by",
    "x-stream-",
    "x-invalid-headers",
)
"""How headers of the broker's own begin; they tell of its queues, and a sender's envelope has no part in them."""


def read_delivery_count(headers: Mapping[str, Any], *, redelivered: bool) -> int:
    """Read how often a body was handed out, this time included; classic queues only tell once from again.

    What a body brings along at its first delivery was counted in another queue, or written by its sender.
    """
    if not redelivered:
        return 1
    counts = (headers.get(ACQUIRED), headers.get(DELIVERIES))
    return 1 + max([1, *(int(count) for count in counts if isinstance(count, int))])


def read_attributes(headers: Mapping[str, Any]) -> dict[str, str]:
    """Turn AMQP headers into text; the broker's own bookkeeping and nested values are left out."""
    attributes: dict[str, str] = {}
    for name, value in headers.items():
        if name.startswith(BOOKKEEPING):
            continue
        if isinstance(value, bytes):
            attributes[name] = value.decode(errors="replace")
        elif isinstance(value, bool):
            attributes[name] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            attributes[name] = str(value)
    return attributes
