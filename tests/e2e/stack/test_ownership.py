"""What a stack may take over, by the real provider on a real Kubernetes: nothing unasked, and what people change by hand.

Nobody follows the actors here: there is their definition, and no operator.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from asya_infra.cluster_target import TOOLS_CONFIG
from lab.checkout import ROOT
from tests.e2e.stack.conftest import Checkouts
from tests.support.cluster import Cluster
from tests.support.stack_checkout import Checkout

pytestmark = pytest.mark.timeout(1200)

ROOM = "e2e-owned"
RANK: dict[str, Any] = {
    "apiVersion": "asya.sh/v1alpha1",
    "kind": "AsyncActor",
    "metadata": {"name": "rank"},
    "spec": {"transport": "rabbitmq", "image": "wordcount:1", "handler": "words.rank"},
}
ADOPTING = """
import pulumi, yaml
from asya_infra.kubernetes_object import KubernetesObject

KubernetesObject("rank", yaml.safe_load(open("rank.yaml")))
"""


@pytest.fixture
def room(empty_cluster: Cluster) -> Iterator[Cluster]:
    """A namespace with an actor that somebody made by kubectl."""
    empty_cluster.kubectl("create", "namespace", ROOM)
    empty_cluster.kubectl("apply", "-f", str(ROOT / "deploy/operator/crd.yaml"))
    empty_cluster.kubectl("wait", "--for=condition=Established", "crd/asyncactors.asya.sh", "--timeout=60s")
    empty_cluster.kubectl("-n", ROOM, "apply", "-f", "-", stdin=yaml.safe_dump(RANK))
    empty_cluster.kubectl("-n", ROOM, "create", "configmap", TOOLS_CONFIG)
    yield empty_cluster
    empty_cluster.kubectl("delete", "namespace", ROOM, "--ignore-not-found", "--timeout=120s")
    empty_cluster.kubectl("delete", "crd", "asyncactors.asya.sh", "--ignore-not-found", "--timeout=120s")


def actors(cluster: Cluster) -> dict[str, dict[str, Any]]:
    found = yaml.safe_load(cluster.kubectl("-n", ROOM, "get", "asyncactor", "-o", "yaml"))
    return {each["metadata"]["name"]: each for each in found["items"]}


def test_an_actor_is_taken_over_when_asked_and_then_is_the_program_s(
    room: Cluster, checkouts: Checkouts, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = checkouts[1]
    words.set("cluster", transport="rabbitmq", waitSeconds="0", namespace=ROOM, systemNamespace=ROOM)
    code, said = words.make("up", "cluster")
    assert code != 0
    assert f"AsyncActor {ROOM}/rank: is in the cluster, and not of this stack: kubectl" in said, said[-3000:]
    assert list(actors(room)) == ["rank"]
    assert actors(room)["rank"]["spec"]["image"] == "wordcount:1"

    words.set("cluster", adopt="true")
    code, said = words.make("up", "cluster")
    assert code == 0 and f"AsyncActor {ROOM}/rank is this stack's from now on" in said, said[-3000:]
    assert actors(room)["rank"]["metadata"]["annotations"]["asya.sh/stack"] == "wordcount/cluster"
    words.set("cluster", adopt="false")
    code, said = words.make("up", "cluster")
    assert code == 0, said[-3000:]

    other = another_project(words, tmp_path, capfd)
    code, said = other.make("up", "cluster")
    assert code != 0 and "the stack wordcount/cluster made it" in said, said[-3000:]

    code, said = words.make("down", "cluster")
    assert code == 0, said[-3000:]
    assert actors(room) == {}


def another_project(words: Checkout, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Checkout:
    root = Path(shutil.copytree(words.root, tmp_path / "others"))
    project = root / "Pulumi.yaml"
    project.write_text(project.read_text(encoding="utf-8").replace("name: wordcount", "name: others"), encoding="utf-8")
    return Checkout(root, tmp_path / "others-state", capfd)


def adopting(tmp_path: Path, capfd: pytest.CaptureFixture[str], image: str) -> Checkout:
    """A program that leaves it to the provider whose the actor is."""
    root = tmp_path / "adopting"
    root.mkdir()
    (root / "Pulumi.yaml").write_text("name: adopting\nruntime: python\n", encoding="utf-8")
    (root / "Pulumi.cluster.yaml").write_text("config: {}\n", encoding="utf-8")
    (root / "__main__.py").write_text(ADOPTING, encoding="utf-8")
    placed = {**RANK, "metadata": {"name": "rank", "namespace": ROOM}, "spec": {**RANK["spec"], "image": image}}
    (root / "rank.yaml").write_text(yaml.safe_dump(placed), encoding="utf-8")
    return Checkout(root, tmp_path / "adopting-state", capfd)


@pytest.mark.usefixtures("checkouts")
@pytest.mark.parametrize("image", ["wordcount:1"])
def test_why_it_is_not_left_to_the_provider(
    image: str, room: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One older than 4.29 takes over what it did not make without a word where it says the same, and deletes it."""
    stack = adopting(tmp_path, capfd, image)
    code, said = stack.make("up", "cluster")
    assert code == 0 and "created" in said, said[-3000:]
    assert actors(room)["rank"]["spec"]["image"] == image
    code, said = stack.make("down", "cluster")
    assert code == 0, said[-3000:]
    assert actors(room) == {}


@pytest.mark.usefixtures("checkouts")
def test_what_kubectl_changed_of_a_program_s_actor_is_taken_back_or_a_conflict(
    room: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """At the program's next change of it: what the program does not say goes, and what it says is a conflict."""
    room.kubectl("-n", ROOM, "delete", "asyncactor", "rank")
    stack = adopting(tmp_path, capfd, "wordcount:1")
    code, said = stack.make("up", "cluster")
    assert code == 0, said[-3000:]
    by_hand = {"metadata": {"annotations": {"by": "hand"}}, "spec": {"scaling": {"maxReplicas": 7}}}
    patch(room, by_hand)
    changed(stack, "wordcount:2")
    code, said = stack.make("up", "cluster")
    assert code == 0, said[-3000:]
    rank = actors(room)["rank"]
    assert "by" not in rank["metadata"].get("annotations", {})
    assert (rank["spec"]["image"], rank["spec"].get("scaling")) == ("wordcount:2", None)

    patch(room, {"spec": {"image": "hand:1"}})
    changed(stack, "wordcount:3")
    code, said = stack.make("up", "cluster")
    assert code != 0 and 'conflict with "kubectl-patch"' in said and ".spec.image" in said, said[-3000:]
    assert actors(room)["rank"]["spec"]["image"] == "hand:1"


def patch(cluster: Cluster, document: dict[str, Any]) -> None:
    cluster.kubectl("-n", ROOM, "patch", "asyncactor", "rank", "--type=merge", "-p", json.dumps(document))


def changed(stack: Checkout, image: str) -> None:
    """Have the program say another image."""
    path = stack.root / "rank.yaml"
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    said["spec"]["image"] = image
    path.write_text(yaml.safe_dump(said), encoding="utf-8")
