"""The charts on a real Kubernetes: the quick start's options 2 and 3 as they are typed, an upgrade, a rollback, nothing left.

Here, where no other operator may be, because the charts' operator follows the actors of all namespaces.
"""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.cluster.place import place
from lab.installs.helm import helm
from tests.support.cluster import ROOT, Cluster, eventually
from tests.support.installed import Brokers, prepare_namespace, read_examples, wait_for_status
from tests.support.wire import Wire, envelope

pytestmark = pytest.mark.timeout(2400)

NAMESPACE = "e2e-charts"
CHARTS = "deploy/helm-charts"
GATEWAY = f"http://asya-gateway.{NAMESPACE}.svc.cluster.local"
SEED = ROOT / "tests" / "charts" / "gateway-values.yaml"


@pytest.fixture
def cluster_with_images(empty_cluster: Cluster, brokers: Brokers) -> Iterator[Cluster]:
    """A cluster with a namespace that enforces ``restricted``, and our images under the names that the charts give them."""
    for room in ("operator", "sidecar", "crew", "gateway"):
        named = f"docker.io/library/asya-{room}:0.2.0"
        subprocess.run(
            [*place().ctr(), "images", "tag", "--force", f"localhost/asya-{room}:dev", named],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    prepare_namespace(empty_cluster, NAMESPACE, brokers)
    yield empty_cluster
    empty_cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=300s")
    empty_cluster.kubectl("delete", "crd", "asyncactors.asya.sh", "--ignore-not-found", "--timeout=300s")


def typed(cluster: Cluster, generation: int, line: str, folder: Path) -> str:
    """Run a line as a user types it in the checkout's root, with helm of a generation on the path."""
    bin_folder = folder / f"helm{generation}"
    if not bin_folder.exists():
        bin_folder.mkdir()
        (bin_folder / "helm").symlink_to(helm(generation))
    # The kubeconfig's context names no namespace; a user's does.
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.config),
        "HELM_NAMESPACE": NAMESPACE,
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["/bin/bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{line}: {done.stderr or done.stdout}"
    return done.stdout


@contextmanager
def forwarded_gateway(cluster: Cluster) -> Iterator[str]:
    command = [*cluster.command, "-n", NAMESPACE, "port-forward", "svc/asya-gateway", ":80"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert found is not None
            yield f"http://127.0.0.1:{found[1]}/"
        finally:
            process.terminate()


def call_hello(cluster: Cluster) -> dict[str, Any]:
    """``asya-mcp call hello --who=artem``, with the token that the gateway's notes tell how to read."""
    encoded = cluster.kubectl("-n", NAMESPACE, "get", "secret", "asya-gateway-tokens", "-o", "jsonpath={.data.user}")
    token = base64.b64decode(encoded).decode()
    with forwarded_gateway(cluster) as url:
        environment = {**os.environ, "ASYA_TOOL_MCP_URL": url, "ASYA_GATEWAY_TOKEN": token}
        done = subprocess.run(
            [str(ROOT / ".venv/bin/asya-mcp"), "call", "hello", "--who=artem"],
            env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout[done.stdout.index("{") :]))


@pytest.mark.parametrize("generation", [4, 3])
def test_the_quick_start_s_charts_from_nothing_to_nothing(
    generation: int, cluster_with_images: Cluster, brokers: Brokers, wire: Wire, tmp_path: Path
) -> None:
    cluster = cluster_with_images
    operator = tmp_path / "operator.json"
    sqs = {"sqs": brokers.transports["transports"]["sqs"]}
    operator.write_text(json.dumps({"transports": sqs, "gatewayURL": GATEWAY}), encoding="utf-8")
    gateway = tmp_path / "gateway.json"
    aws = [{"name": name, "value": "test"} for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    gateway.write_text(json.dumps({"config": {"sqsEndpoint": brokers.aws}, "env": aws}), encoding="utf-8")

    typed(cluster, generation, f"helm install asya-operator {CHARTS}/asya-operator/ -f {operator}", tmp_path)
    cluster.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/asya-operator", "--timeout=300s")
    for document in read_examples("seed-quick-start.yaml"):
        if document["kind"] == "ConfigMap" or document["metadata"]["name"] == "hello-actor":
            cluster.apply(document, namespace=NAMESPACE)
    typed(cluster, generation, f"helm install asya-gateway {CHARTS}/asya-gateway/ -f {SEED} -f {gateway}", tmp_path)
    cluster.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/asya-gateway", "--timeout=300s")
    # After the gateway, whose token the sidecars read when they start.
    typed(cluster, generation, f"helm install asya-crew {CHARTS}/asya-crew/", tmp_path)
    wait_for_status(cluster, "hello-actor", NAMESPACE, "Napping", "Running", "ScalingUp")
    assert call_hello(cluster)["status"] == "succeeded"

    before = cluster.kubectl("-n", NAMESPACE, "get", "secret", "asya-gateway-tokens", "-o", "jsonpath={.data}")
    typed(
        cluster,
        generation,
        f"helm upgrade asya-gateway {CHARTS}/asya-gateway/ --reuse-values --set config.rate=100",
        tmp_path,
    )
    after = cluster.kubectl("-n", NAMESPACE, "get", "secret", "asya-gateway-tokens", "-o", "jsonpath={.data}")
    assert after == before
    typed(
        cluster,
        generation,
        f"helm upgrade asya-operator {CHARTS}/asya-operator/ --reuse-values --set replicaCount=1",
        tmp_path,
    )
    assert replicas(cluster) == 1
    typed(cluster, generation, "helm rollback asya-operator 1", tmp_path)
    eventually(lambda: replicas(cluster), lambda count: count == 2, 60, "the rollback to bring both replicas")
    cluster.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/asya-operator", "--timeout=300s")
    name = f"charts-{generation}"
    wire.send("sqs", [envelope(name, "hello-actor", who="artem")])
    assert wire.result(name)["payload"] == {"message": "Hello artem!"}

    cluster.kubectl("-n", NAMESPACE, "delete", "asyncactor", "hello-actor", "--timeout=300s")
    for release in ("asya-crew", "asya-gateway"):
        typed(cluster, generation, f"helm uninstall {release} --wait", tmp_path)
    eventually(
        lambda: cluster.kubectl("-n", NAMESPACE, "get", "asyncactor", "-o", "name"),
        lambda found: not found,
        240,
        "the crew to be gone",
    )
    typed(cluster, generation, "helm uninstall asya-operator --wait", tmp_path)
    left = cluster.kubectl("get", "clusterrole,clusterrolebinding", "-o", "name").splitlines()
    assert [each for each in left if "asya" in each] == []
    assert "asyncactors.asya.sh" in cluster.kubectl("get", "crd", "-o", "name")


def replicas(cluster: Cluster) -> int:
    deployment = cluster.get("deployment", "asya-operator", NAMESPACE)
    assert deployment is not None
    return int(deployment["spec"]["replicas"])
