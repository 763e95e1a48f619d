"""A program of a user's on a real API server: by the stand-in, and by the real provider where it is built already.

Building either takes longer than these tests may; `make e2e-stack` builds both, and asks more of them.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi import automation

from asya_infra.cluster_api import ACTOR, ClusterApi
from asya_infra.cluster_target import TOOLS_CONFIG
from asya_infra.ownership import OWNER
from lab.checkout import ROOT
from lab.engine import kubernetes_provider
from lab.errors import LabError
from lab.servers.kubernetes_api import KubernetesApi
from tests.support.pulumi_project import Project, install_standins, project

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

ROOM = "room"
BEFORE = """
import pulumi, yaml
from asya_infra.kubernetes_object import KubernetesObject

before = []  # one after another: a namespace is there before what is in it
for name, document in enumerate(yaml.safe_load_all(open("before.yaml"))):
    opts = pulumi.ResourceOptions(depends_on=list(before))
    before.append(KubernetesObject(f"before-{name}", document, opts=opts))
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesApi]:
    try:
        server = KubernetesApi(tmp_path_factory.mktemp("api"))
    except LabError as exc:
        pytest.skip(str(exc))
    with server:
        yield server


@pytest.fixture(params=["stand-in", "real"])
def provider(request: pytest.FixtureRequest) -> Path | None:
    """The folder of the real provider; ``None`` stands in for it."""
    if request.param == "stand-in":
        return None
    if not kubernetes_provider.folder().is_dir():
        pytest.skip("the real provider is not built here: python -m lab.engine.kubernetes_provider, half an hour")
    return kubernetes_provider.build()


def on(api: KubernetesApi, provider: Path | None, source: Path, folder: Path) -> Project:
    folder.mkdir()
    made = project(source, folder, kubeconfig=str(api.kubeconfig))
    if provider is not None:
        shutil.rmtree(made.home / "plugins")
        install_standins(made.home, kubernetes=provider)
    return made


def before(tmp_path: Path) -> Path:
    """What a platform has: the definition of actors, a namespace, the gateway's tools."""
    source = tmp_path / "before"
    source.mkdir()
    (source / "Pulumi.yaml").write_text("name: before\nruntime: python\n", encoding="utf-8")
    (source / "__main__.py").write_text(BEFORE, encoding="utf-8")
    definition = yaml.safe_load((ROOT / "deploy/operator/crd.yaml").read_text(encoding="utf-8"))
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ROOM}}
    tools = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": TOOLS_CONFIG, "namespace": ROOM}}
    (source / "before.yaml").write_text(yaml.safe_dump_all([definition, namespace, tools]), encoding="utf-8")
    return source


def actors(api: KubernetesApi) -> dict[str, dict[str, Any]]:
    with ClusterApi(yaml.safe_load(api.kubeconfig.read_text(encoding="utf-8"))) as client:
        return {meta["name"]: meta for meta in client.metadata(ACTOR)}


def test_actors_are_made_marked_kept_from_others_and_taken_away(
    api: KubernetesApi, provider: Path | None, tmp_path: Path
) -> None:
    platform = on(api, provider, before(tmp_path), tmp_path / "platform").stack("cluster", {})
    platform.up()
    settings = {
        "mesh": "cluster",
        "transport": "rabbitmq",
        "waitSeconds": "0",
        "namespace": ROOM,
        "systemNamespace": ROOM,
    }
    settings = {f"asya:{key}": value for key, value in settings.items()}
    words = on(api, provider, ROOT / "examples/pulumi-pipeline", tmp_path / "words").stack("cluster", settings)
    words.up()
    assert {name: meta["annotations"][OWNER] for name, meta in actors(api).items()} == dict.fromkeys(
        ("clean", "count", "rank"), "wordcount/cluster"
    )
    words.up(expect_no_changes=True)

    copy = Path(shutil.copytree(ROOT / "examples/pulumi-pipeline", tmp_path / "copy"))
    text = (copy / "Pulumi.yaml").read_text(encoding="utf-8")
    (copy / "Pulumi.yaml").write_text(text.replace("name: wordcount", "name: others"), encoding="utf-8")
    others = on(api, provider, copy, tmp_path / "others").stack("cluster", settings)
    with pytest.raises(automation.CommandError, match="the stack wordcount/cluster made it"):
        others.preview()

    words.destroy()
    assert actors(api) == {}
    platform.destroy()
