"""Envelopes through actors on a real Kubernetes with a real KEDA: nothing is lost, scaling goes up and to zero again."""

from typing import Any

import pytest

from tests.support.actors import FAST_SCALING, actor, handler
from tests.support.cluster import Cluster, eventually
from tests.support.installed import read_examples, wait_for_status
from tests.support.wire import Wire, envelope

SLOW = "import time\n\n\ndef process(payload):\n    time.sleep(0.2)\n    return payload\n"
BURST = 200
# One replica alone would need two minutes for the burst: time enough for others to start on a busy machine.
SLOWER = SLOW.replace("0.2", "0.6")


@pytest.mark.parametrize("transport", ["rabbitmq", "sqs"])
def test_a_burst_wakes_an_actor_is_finished_whole_and_lets_it_nap_again(
    cluster: Cluster, wire: Wire, request: pytest.FixtureRequest, transport: str, record_property: Any
) -> None:
    namespace = request.getfixturevalue("rabbit" if transport == "rabbitmq" else "sqs")
    name = "burst"
    scaling = {**FAST_SCALING, "queueLength": 20}
    cluster.apply(handler(name, SLOWER), actor(name, transport, scaling=scaling), namespace=namespace)
    wait_for_status(cluster, name, namespace, "Napping")
    ids = {f"burst-{transport}-{number}" for number in range(BURST)}
    wire.send(transport, [envelope(each, name) for each in sorted(ids)])
    most = 0

    def look() -> set[str]:
        nonlocal most
        most = max(most, int(cluster.status(name, namespace).get("replicas") or 0))
        return ids - wire.finished()

    missing = eventually(look, lambda left: not left, 400, "all envelopes of the burst to be kept by happy-end")
    assert not missing
    assert most > 1, "one replica did it all: KEDA did not scale"
    wait_for_status(cluster, name, namespace, "Napping")
    assert wire.depth(transport, f"asya-{name}-dlq").total == 0
    record_property("table", f"burst on {transport}: sent {BURST}, kept {BURST}, most replicas {most}, dead letters 0")


def test_the_example_pipeline_of_three_ends_in_the_store(cluster: Cluster, wire: Wire, rabbit: str) -> None:
    for step in ("preprocess", "inference", "postprocess"):
        cluster.apply(*read_examples(f"pipeline-{step}.yaml"), namespace=rabbit)
    for step in ("preprocess", "inference", "postprocess"):
        wait_for_status(cluster, step, rabbit, "Napping")
    wire.send("rabbitmq", [envelope("pipeline-1", "preprocess", "inference", "postprocess", text="A great day")])
    kept = wire.result("pipeline-1")
    assert kept["payload"] == {
        "text": "A great day",
        "tokens": ["a", "great", "day"],
        "score": 1,
        "label": "positive",
    }
    assert kept["route"]["current"] == 3


def test_an_error_ends_in_error_end_with_its_traceback(cluster: Cluster, wire: Wire, sqs: str) -> None:
    source = "def process(payload):\n    raise ValueError('no good: ' + payload['who'])\n"
    retry = {"maxAttempts": 1}
    cluster.apply(handler("failing", source), actor("failing", "sqs", retry=retry), namespace=sqs)
    wait_for_status(cluster, "failing", sqs, "Napping")
    wire.send("sqs", [envelope("failing-1", "failing", who="artem")])
    kept = wire.result("failing-1", prefix="error-asya/")
    details = kept["payload"]["details"]
    assert (details["type"], details["message"]) == ("ValueError", "no good: artem")
    assert "handler.py" in details["traceback"]
    assert kept["payload"]["original_payload"] == {"who": "artem"}


def test_a_rolling_update_under_load_loses_nothing_and_blames_nothing(
    cluster: Cluster, wire: Wire, rabbit: str, record_property: Any
) -> None:
    name, scaling = "rolling", {**FAST_SCALING, "minReplicas": 2}
    cluster.apply(handler(name, SLOW), actor(name, "rabbitmq", scaling=scaling), namespace=rabbit)
    wait_for_status(cluster, name, rabbit, "Running")
    ids = [f"rolling-{number}" for number in range(150)]
    wire.send("rabbitmq", [envelope(each, name) for each in ids[:100]])
    changed = actor(name, "rabbitmq", scaling=scaling, env={"RELEASE": "2"})
    cluster.apply(changed, namespace=rabbit)
    wire.send("rabbitmq", [envelope(each, name) for each in ids[100:]])
    eventually(
        lambda: set(ids) - wire.finished(), lambda left: not left, 400, "all envelopes of the rollout to be kept"
    )
    cluster.kubectl("-n", rabbit, "rollout", "status", f"deployment/{name}", "--timeout=240s")
    assert wire.depth("rabbitmq", f"asya-{name}-dlq").total == 0
    assert not set(ids) & wire.finished("error-asya/")
    attempts = [wire.result(each).get("headers", {}).get("x-asya-attempt", 1) for each in ids]
    assert set(attempts) == {1}
    record_property("table", "rolling update: sent 150, kept 150, dead letters 0, attempts used by it 0")
