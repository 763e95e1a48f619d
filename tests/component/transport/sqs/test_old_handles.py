"""Handles of leases that have ended, on ElasticMQ: it refuses them, where LocalStack takes them without a word."""

import pytest

from asya_protocol.errors import LeaseLost
from asya_transport.port import Depth, QueueSpec
from asya_transport.settings import TransportSettings
from asya_transport.sqs.admin import SqsAdmin
from asya_transport.sqs.transport import SqsTransport
from lab.servers.elasticmq import elasticmq_endpoint
from tests.support.broker_bench import eventually, receive_one

__all__ = ["elasticmq_endpoint"]


@pytest.mark.parametrize("how", ["ack", "release", "extend"])
async def test_a_lease_that_ended_at_the_broker_is_lost_and_its_next_holder_keeps_the_envelope(
    elasticmq_endpoint: str, how: str
) -> None:
    """Our own clock says that the first still holds it: only the broker's answer tells."""
    queue = f"asya-handles-{how}"
    settings = TransportSettings(name="sqs", sqs_endpoint=elasticmq_endpoint, sqs_wait_time_s=1.0)
    admin, transport, other = SqsAdmin(settings), SqsTransport(settings), SqsTransport(settings)
    await admin.create(queue, QueueSpec())
    await transport.send(queue, b"{}")
    consumer, next_consumer = await transport.consume(queue), await other.consume(queue)
    delivery = await receive_one(consumer)
    handle: str = delivery.receipt.handle  # type: ignore[attr-defined]  # a matter of the transport's
    client, url = admin._client, await admin._client.url(queue)
    await client.call(
        queue,
        lambda sqs: sqs.change_message_visibility(
            QueueUrl=url,
            ReceiptHandle=handle,
            VisibilityTimeout=0,
        ),
    )
    held = await receive_one(next_consumer)
    settle = {
        "ack": lambda: consumer.ack(delivery),
        "release": lambda: consumer.release(delivery),
        "extend": lambda: consumer.extend([delivery], 30.0),
    }
    with pytest.raises(LeaseLost):
        await settle[how]()
    assert held.delivery_count == 2
    assert await admin.measure(queue) == Depth(0, in_flight=1)
    await next_consumer.ack(held)
    await eventually(lambda: admin.measure(queue), Depth(0))
    await admin.delete(queue, force=True)
    for each in (transport, other, admin):
        await each.close()
