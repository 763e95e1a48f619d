"""Every example manifest on a cluster: it is taken as it stands, and does what it is the example of.

Images that come from a registry which tests cannot see are replaced, and nothing else: conda by another Python outside the
usual place, redis by twenty lines that count as it does, the sidecar of another registry by our own.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.installed import read_examples, wait_for_status
from tests.support.wire import Wire, envelope

PYTHON = "python:3.13-slim"
COUNTER = """
import os, signal, socketserver
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Counter(socketserver.StreamRequestHandler):
    calls = 0
    def handle(self):
        self.rfile.readline()
        Counter.calls += 1
        self.wfile.write(b":%d\\r\\n" % Counter.calls)
socketserver.TCPServer(("127.0.0.1", 6379), Counter).serve_forever()
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One example: what goes in, and what its handler adds."""

    file: str
    actor: str
    payload: dict[str, Any]
    added: dict[str, Any]


RUN = [
    Run("simple-actor", "hello-actor", {"who": "artem"}, {"greeting": "Hello artem!"}),
    Run("no-scaling", "fixed-replicas-actor", {"text": "a great day"}, {"words": 3}),
    Run("advanced-scaling", "advanced-scaling-actor", {"numbers": [1, 2, 3]}, {"total": 6}),
    Run("custom-python", "conda-ml-actor", {"x": 4}, {"prediction": 8.0}),
    Run("custom-sidecar", "custom-sidecar-actor", {}, {"done": True}),
    Run("fully-configured", "fully-configured-actor", {}, {"seen": True}),
    Run("multi-container", "cached-actor", {}, {"calls": 1}),
]


def _declared(file: str, namespace: str) -> list[dict[str, Any]]:
    objects = read_examples(f"{file}.yaml")
    for each in objects:
        each["metadata"]["namespace"] = namespace
        if each["kind"] != "AsyncActor":
            continue
        spec = each["spec"]
        for container in spec["workload"]["template"]["spec"]["containers"]:
            if container["image"].startswith("redis:"):
                container |= {"image": PYTHON, "command": ["python3", "-c", COUNTER], "args": []}
            elif container["image"].startswith("continuumio/"):
                container["image"] = PYTHON
                spec["workload"]["pythonExecutable"] = "/usr/bin/python3"
        if "image" in spec.get("sidecar", {}):
            spec["sidecar"] |= {"image": "localhost/asya-sidecar:dev", "imagePullPolicy": "IfNotPresent"}
    return objects


@pytest.mark.parametrize("case", RUN, ids=lambda case: case.file)
def test_an_example_runs_and_answers(cluster: Cluster, wire: Wire, rabbit: str, case: Run) -> None:
    cluster.apply(*_declared(case.file, rabbit))
    wait_for_status(cluster, case.actor, rabbit, "Napping", "Running")
    wire.send("rabbitmq", [envelope(f"example-{case.file}", case.actor, **case.payload)])
    kept = wire.result(f"example-{case.file}")["payload"]
    assert {key: kept.get(key) for key in (*case.payload, *case.added)} == case.payload | case.added
    cluster.kubectl("-n", rabbit, "delete", "asyncactor", case.actor, "--timeout=240s")


def test_the_example_for_a_gpu_asks_for_one(cluster: Cluster, rabbit: str) -> None:
    """Rendered only: nodes here have none."""
    cluster.apply(*_declared("gpu", rabbit))
    wait_for_status(cluster, "llm-actor", rabbit, "Napping")
    deployment = cluster.get("deployment", "llm-actor", rabbit)
    assert deployment is not None
    pod = deployment["spec"]["template"]["spec"]
    [runtime] = [each for each in pod["containers"] if each["name"] == "asya-runtime"]
    assert runtime["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["nodeSelector"] == {"accelerator": "nvidia-gpu"}
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    scaled = cluster.get("scaledobject", "llm-actor", rabbit)
    assert scaled is not None
    assert (scaled["spec"]["maxReplicaCount"], scaled["spec"]["cooldownPeriod"]) == (5, 300)
    cluster.kubectl("-n", rabbit, "delete", "asyncactor", "llm-actor", "--timeout=240s")
