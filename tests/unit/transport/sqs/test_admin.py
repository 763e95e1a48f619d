"""Queues on SQS: what AWS would refuse is refused before it is asked, for stand-ins take it."""

import pytest

from asya_protocol.errors import TransportError
from asya_transport.port import QueueSpec
from asya_transport.settings import TransportSettings
from asya_transport.sqs import admin as sqs_admin
from asya_transport.sqs.transport import SqsTransport


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (QueueSpec(lease_s=43_201), "VisibilityTimeout of 43201 is outside 0 to 43200"),
        (QueueSpec(max_deliveries=0), "maxReceiveCount of 0 is outside 1 to 1000"),
        (QueueSpec(max_deliveries=1001), "maxReceiveCount of 1001 is outside 1 to 1000"),
        (QueueSpec(retention_s=59), "MessageRetentionPeriod of 59 is outside 60 to 1209600"),
        (QueueSpec(dlq_retention_s=15 * 86_400), "MessageRetentionPeriod of 1296000 is outside 60 to 1209600"),
    ],
)
async def test_a_queue_that_aws_would_refuse_is_refused_before_anything_is_made(spec: QueueSpec, words: str) -> None:
    admin = sqs_admin.SqsAdmin(TransportSettings(name="sqs", sqs_endpoint="http://127.0.0.1:1"))
    with pytest.raises(TransportError, match=words):
        await admin.create("asya-ocr", spec)
    await admin.close()


@pytest.mark.parametrize("delay_s", [900.5, 901, -1])
async def test_a_delay_that_aws_would_refuse_is_refused_before_it_is_sent(delay_s: float) -> None:
    transport = SqsTransport(TransportSettings(name="sqs", sqs_endpoint="http://127.0.0.1:1"))
    with pytest.raises(ValueError, match="outside SQS's 0 to 900 s"):
        await transport.send("asya-ocr", b"{}", delay_s=delay_s)
    await transport.close()
