"""Large envelopes on the real brokers: what fits passes, what does not ends with a reason."""

import secrets

from lab.servers.localstack import localstack_endpoint
from lab.servers.rabbitmq import rabbitmq_server, rabbitmq_url
from tests.support.actor_bench import ActorBench

__all__ = ["localstack_endpoint", "rabbitmq_server", "rabbitmq_url"]

GROW = """
def process(payload):
    return {"text": "x" * payload["grow"]} if "grow" in payload else payload
"""


async def test_ten_megabytes_pass_on_rabbitmq(rabbitmq_url: str) -> None:
    """In and out."""
    environ = {"ASYA_TRANSPORT": "rabbitmq", "ASYA_RABBITMQ_URL": rabbitmq_url}
    async with ActorBench(environ, GROW, "handlers.process", f"-{secrets.token_hex(4)}") as bench:
        await bench.send_payload({"text": "x" * 10_000_000})
        assert len((await bench.result())["payload"]["text"]) == 10_000_000
        await bench.works()


async def test_a_result_over_the_sqs_limit_is_an_error_with_both_figures(localstack_endpoint: str) -> None:
    """The input is kept, the text says how large and how large it may be, and the next one is processed."""
    environ = {
        "ASYA_TRANSPORT": "sqs",
        "ASYA_SQS_ENDPOINT": localstack_endpoint,
        "ASYA_SQS_WAIT_TIME_SECONDS": "1",
    }
    async with ActorBench(environ, GROW, "handlers.process", f"-{secrets.token_hex(4)}") as bench:
        await bench.send_payload({"grow": 2_000_000})
        failure = await bench.failure()
        assert "is over the transport's limit of" in failure["payload"]["error"]
        assert failure["payload"]["original_payload"] == {"grow": 2_000_000}
        await bench.works()
