"""The stack's own tests on the cluster: alone, because two operators in one cluster would fight over the same actors."""

import shutil
import tempfile
from pathlib import Path

import pytest

from lab.cluster.load import load
from lab.cluster.place import place
from lab.images.builder import find_builder
from lab.images.foundation import find_base
from lab.images.packages import own_architecture
from tests.support.cluster import ROOT, Cluster
from tests.support.pulumi_project import install_standins, require_engine, require_kubernetes_provider
from tests.support.stack_checkout import Checkout
from tests.support.stack_program import program_folder

Checkouts = tuple[Checkout, Checkout]
_DOCKERFILE = "ARG BASE\nFROM $BASE\nENV PYTHONPATH=/app\nCOPY words.py /app/words.py\nUSER 1000\n"


@pytest.fixture(scope="session")
def empty_cluster(cluster: Cluster) -> Cluster:
    """The cluster without the operator that the other tests install from ``deploy/``."""
    if "asyncactors" in cluster.kubectl("get", "crd", "-o", "name"):
        cluster.kubectl("delete", "asyncactor", "--all", "-A", "--wait=true", "--timeout=300s")
    for part in ("crew", "operator"):
        cluster.kubectl(
            "delete", "-k", str(ROOT / "deploy" / part), "--ignore-not-found", "--timeout=300s", check=False
        )
    left = cluster.kubectl("get", "crd,namespace", "-o", "name")
    assert "asyncactors" not in left and "namespace/asya" not in left
    return cluster


@pytest.fixture(scope="session")
def word_image(cluster: Cluster) -> str:
    """The image that ``examples/pulumi-pipeline`` names, built from its folder and loaded into the cluster."""
    builder = find_builder()
    with tempfile.TemporaryDirectory(prefix="asya-words-") as temporary:
        context = Path(temporary)
        shutil.copyfile(ROOT / "examples/pulumi-pipeline/words.py", context / "words.py")
        dockerfile = context / "Dockerfile"
        dockerfile.write_text(_DOCKERFILE, encoding="utf-8")
        builder.build("wordcount:1", dockerfile, context, {"BASE": find_base(builder).image}, own_architecture())
        archive = context / "image.tar"
        builder.save("wordcount:1", archive, "localhost/wordcount:1")
        load(place(), archive, ["docker.io/library/wordcount:1"])
    return "wordcount:1"


@pytest.fixture
def checkouts(
    empty_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Checkouts:
    """The engine with the real provider for Kubernetes; a checkout of this program, and a project of a user."""
    engine = require_engine()
    install_standins(tmp_path / "home", kubernetes=require_kubernetes_provider())
    for name in (
        "PULUMI_CONFIG_PASSPHRASE",
        "PULUMI_CONFIG_PASSPHRASE_FILE",
        "PULUMI_BACKEND_URL",
        "STANDIN_KUBE_RECORD",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "1")
    monkeypatch.setenv("KUBECONFIG", str(empty_cluster.config))
    monkeypatch.setenv("PATH", str(engine), prepend=":")
    words = Path(shutil.copytree(ROOT / "examples/pulumi-pipeline", tmp_path / "words"))
    return (
        Checkout(program_folder(tmp_path), tmp_path / "state", capfd),
        Checkout(words, tmp_path / "words-state", capfd),
    )
