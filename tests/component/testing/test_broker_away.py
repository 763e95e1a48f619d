"""A pipeline in a fixture of wider scope outlives what happens to its broker between two runs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from asya.testing import Pipeline, PipelineTimeout
from asya_protocol.errors import QueueMissing
from lab.servers.rabbitmq import RabbitMqServer, require_server
from tests.support.handlers import steps


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[RabbitMqServer]:
    """One of its own, since it is restarted."""
    require_server()
    with RabbitMqServer() as server:
        monkeypatch.setenv("ASYA_TRANSPORT", "rabbitmq")
        monkeypatch.setenv("ASYA_RABBITMQ_URL", server.url)
        yield server


def test_runs_go_on_when_the_broker_is_back_and_a_deleted_queue_is_an_error_at_once(broker: RabbitMqServer):
    """Sidecars and the collectors at both ends of the route reconnect; what is gone for good is told, not waited for."""
    with Pipeline({"split": steps.split, "odd": steps.odd_fails}) as pipeline, ThreadPoolExecutor(1) as thread:
        assert pipeline.run({"ns": [0]}).payload == {"n": 0}
        broker.stop()
        with pytest.raises(
            PipelineTimeout, match=r"within 15 s: nothing is under way .RabbitMQ at .* cannot be reached"
        ):
            pipeline.run({"ns": [0]}, timeout_s=15)
        meanwhile = thread.submit(pipeline.run, {"ns": [0, 1, 2]}, timeout_s=200)
        broker.start()
        outcome = meanwhile.result()
        assert outcome.payloads == [{"n": 0}, {"n": 2}]
        assert [error.message for error in outcome.errors] == ["1 is odd"]

        queues = [queue["name"] for queue in broker.management("GET", "/api/queues")]
        [happy_end] = [name for name in queues if name.endswith("-happy-end")]
        broker.management("DELETE", f"/api/queues/%2F/{happy_end}")
        with pytest.raises(QueueMissing, match="happy-end"):
            pipeline.run({"ns": [0]}, timeout_s=60)
