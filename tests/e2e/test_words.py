"""What a real kubelet knows reaches the user: how a runtime ended, and why a handler cannot be loaded."""

import pytest

from asya_infra.actor_status import ActorFailed, await_actor
from tests.support.actors import actor, handler
from tests.support.cluster import Cluster, eventually
from tests.support.installed import wait_for_status
from tests.support.wire import Wire, envelope

BROKEN = "\nimport nobody_has_it\n\ndef process(payload):\n    return payload\n"
LEAVES = "import os\ndef process(payload):\n    os.kill(os.getpid(), 9) if payload['kill'] else os._exit(3)\n"
WORDS = "ModuleNotFoundError: No module named 'nobody_has_it', at /app/handler.py:2"


def test_a_handler_that_cannot_be_loaded_is_told_while_its_actor_naps(cluster: Cluster, rabbit: str) -> None:
    """As `pulumi up` waits for it, before the first envelope; and by the status of an actor that runs."""
    for name, scaling in (("sleeps-broken", {"minReplicas": 0}), ("wakes-broken", {"minReplicas": 1})):
        cluster.apply(
            handler(name, BROKEN), actor(name, "rabbitmq", scaling={"enabled": True, **scaling}), namespace=rabbit
        )
    wait_for_status(cluster, "sleeps-broken", rabbit, "Napping")
    with pytest.raises(ActorFailed) as failed:
        await_actor(
            kubeconfig=cluster.config.read_text(), context=None, namespace=rabbit, actor="sleeps-broken", limit_s=120
        )
    assert f"cannot load its handler: ASYA_HANDLER='handler.process': importing handler failed: {WORDS}" in str(
        failed.value
    )
    eventually(
        lambda: cluster.items("pods", rabbit, "asya.sh/handler-check"), lambda found: not found, 60, "no check is left"
    )
    eventually(
        lambda: cluster.status("wakes-broken", rabbit),
        lambda status: any(WORDS in each["message"] for each in status.get("conditions", ())),
        120,
        "the status of the actor to have the words of its runtime",
    )


def test_a_pods_crash_is_told_by_its_signal_or_exit_code(cluster: Cluster, rabbit: str, wire: Wire) -> None:
    once = {"maxDeliveries": 1}
    leaves = actor("leaves", "rabbitmq", scaling={"enabled": True, "minReplicas": 1}, delivery=once)
    cluster.apply(handler("leaves", LEAVES), leaves, namespace=rabbit)
    wait_for_status(cluster, "leaves", rabbit, "Running")
    for name, kill, words in (
        ("left", False, "the runtime ended with exit code 3 (delivered 1 times)"),
        ("killed", True, "the runtime was ended by SIGKILL (out of memory?) (delivered 1 times)"),
    ):
        wire.send("rabbitmq", [envelope(name, "leaves", kill=kill)])
        eventually(
            lambda: cluster.kubectl("-n", rabbit, "logs", "-l", "asya.sh/asya=leaves", "-c", "asya-sidecar"),
            lambda said, its=name, words=words: any(its in line and words in line for line in said.splitlines()),  # type: ignore[misc]
            180,
            f"the sidecar to say of {name}: {words}",
        )
