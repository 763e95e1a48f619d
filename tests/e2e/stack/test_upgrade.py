"""The previous release's charts and images on a real Kubernetes, upgraded under load, rolled back, uninstalled.

Operator, definitions, sidecars, crew and gateway go up as docs/upgrading.md says, by Helm, and down again by its rollback.
"""

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml

from lab.cluster.load import load
from lab.cluster.place import place
from lab.images.builder import find_builder
from lab.installs.helm import VERSIONS, helm
from lab.installs.previous_release import Release, previous_release
from lab.servers.forward import forwarded
from lab.servers.postgres import PostgresServer, postgres
from tests.support.actors import actor, handler
from tests.support.cluster import ROOT, Cluster, eventually
from tests.support.installed import Brokers, prepare_namespace, wait_for_status
from tests.support.wire import Wire, envelope

__all__ = ["postgres"]
pytestmark = pytest.mark.timeout(2400)

NAMESPACE: Final = "e2e-upgrade"
ROOMS: Final = ("operator", "sidecar", "crew", "gateway")
WORK: Final = "import time\n\ndef process(payload):\n    time.sleep(0.05)\n    return {**payload, 'done': True}\n"
PACE_S: Final = 0.2
ROLLED_S: Final = 300.0
CRDS: Final = ROOT / "deploy/helm-charts/asya-operator/crds"


@pytest.fixture(scope="module")
def before() -> Release:
    """The previous release, whose images are in the cluster with the tag ``previous``."""
    release = previous_release()
    builder = find_builder()
    argv = [str(release.python), "-m", "lab.images", *ROOMS]
    done = subprocess.run(argv, cwd=release.tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with tempfile.TemporaryDirectory(prefix="asya-previous-") as folder:
        for room in ROOMS:
            archive = Path(folder) / f"{room}.tar"
            builder.save(f"asya-{room}:dev", archive, f"localhost/asya-{room}:previous")
            load(place(), archive, [f"docker.io/library/asya-{room}:previous"])
            # What `make images` built of this checkout has another tag here, and keeps its own in the cluster.
            now = f"docker.io/library/asya-{room}:now"
            subprocess.run(
                [*place().ctr(), "images", "tag", "--force", f"docker.io/library/asya-{room}:dev", now],
                check=True, capture_output=True,
            )  # fmt: skip
    return release


class Releases:
    """The three Helm releases of the mesh."""

    def __init__(self, cluster: Cluster, folder: Path, database: str, brokers: Brokers) -> None:
        self.cluster, self._folder = cluster, folder
        where = urlsplit(database)
        self._values: dict[str, dict[str, Any]] = {
            "asya-operator": {
                "transports": brokers.transports["transports"],
                "gatewayURL": f"http://asya-gateway.{NAMESPACE}.svc.cluster.local",
            },
            # One node carries so many pods twice, while they are replaced.
            "asya-crew": {"transport": "rabbitmq", "happy-end": {"scaling": {"maxReplicas": 2}}},
            "asya-gateway": {
                "config": {"rabbitmqURL": f"amqp://guest:guest@{brokers.host}:{brokers.amqp_port}/"},
                "externalDatabase": {
                    "host": where.hostname, "port": where.port, "username": where.username, "password": "unused",
                    "database": where.path.lstrip("/"),
                },
                "routes": {"tools": [{"name": "work", "route": ["work"]}]},
            },
        }  # fmt: skip

    def install(self, chart: str, tree: Path) -> None:
        values = self._folder / f"{chart}.yaml"
        values.write_text(yaml.safe_dump(self._values[chart]), encoding="utf-8")
        self.helm(
            "install", chart, f"{tree}/deploy/helm-charts/{chart}", "--values", str(values), *tags(chart, "previous")
        )

    def upgrade(self, chart: str) -> None:
        self.helm("upgrade", chart, f"deploy/helm-charts/{chart}", "--reset-then-reuse-values", *tags(chart, "now"))

    def helm(self, *arguments: str) -> str:
        argv = [str(helm(max(VERSIONS))), *arguments, "--namespace", NAMESPACE]
        environment = {"KUBECONFIG": str(self.cluster.config), "HOME": str(self._folder), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, f"{arguments}: {done.stderr or done.stdout}"
        return done.stdout


def tags(chart: str, tag: str) -> list[str]:
    sidecar = ["--set", f"sidecar.image=asya-sidecar:{tag}"] if chart == "asya-operator" else []
    return ["--set", f"image.tag={tag}", *sidecar]


@pytest.fixture
def releases(empty_cluster: Cluster, brokers: Brokers, postgres: PostgresServer, tmp_path: Path) -> Iterator[Releases]:
    prepare_namespace(empty_cluster, NAMESPACE, brokers)
    url = postgres.new_database()
    with forwarded(brokers.host, urlsplit(url).port or 0) as port:
        reachable = url.replace(f"127.0.0.1:{urlsplit(url).port}", f"{brokers.host}:{port}")
        yield Releases(empty_cluster, tmp_path, reachable, brokers)
        empty_cluster.kubectl("-n", NAMESPACE, "delete", "asyncactor", "--all", "--timeout=300s", check=False)
        empty_cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=300s")
        for definition in ("asyncactors.asya.sh", "limits.asya.sh"):
            empty_cluster.kubectl("delete", "crd", definition, "--ignore-not-found", "--timeout=300s")


class Load:
    """Envelopes to the actor, one after the other, until it is over."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._over, self.sent = wire, threading.Event(), list[str]()
        self._thread = threading.Thread(target=self._send, name="load")

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(120)

    def _send(self) -> None:
        while not self._over.wait(PACE_S):
            name = f"upgrade-{len(self.sent)}"
            self._wire.send("rabbitmq", [envelope(name, "work", number=len(self.sent))])
            self.sent.append(name)


def test_up_and_down_again_by_helm_under_load(
    releases: Releases, before: Release, wire: Wire, record_property: Any
) -> None:
    cluster = releases.cluster
    releases.install("asya-operator", before.tree)
    rolled(cluster, "asya-operator")
    releases.install("asya-gateway", before.tree)
    rolled(cluster, "asya-gateway")
    releases.install("asya-crew", before.tree)
    scaling = {"enabled": True, "minReplicas": 1, "maxReplicas": 2, "pollingInterval": 2, "cooldownPeriod": 10}
    cluster.apply(handler("work", WORK), actor("work", "rabbitmq", scaling=scaling), namespace=NAMESPACE)
    wait_for_status(cluster, "work", NAMESPACE, "Running", timeout_s=ROLLED_S)
    assert sidecar(cluster, "work") == "asya-sidecar:previous"

    with Load(wire) as load:
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
        for chart in ("asya-operator", "asya-crew", "asya-gateway"):
            releases.upgrade(chart)
        until_rolled(cluster, "now")
        up = len(load.sent)
        for chart in ("asya-gateway", "asya-crew", "asya-operator"):
            releases.helm("rollback", chart, "1")
        until_rolled(cluster, "previous")
    wanted = set(load.sent)
    eventually(wire.finished, lambda found: wanted <= found, ROLLED_S, f"{len(wanted)} results")
    for name in ("work", "happy-end"):
        eventually(lambda name=name: wire.depth("rabbitmq", f"asya-{name}").total, lambda left: left == 0, 60, name)  # type: ignore[misc]
        assert wire.depth("rabbitmq", f"asya-{name}-dlq").total == 0
    assert wire.finished("error-asya/") & wanted == set()
    record_property(
        "table", f"on Kubernetes: {up} envelopes while the release went up, {len(wanted) - up} while it went down"
    )

    cluster.kubectl("-n", NAMESPACE, "delete", "asyncactor", "work", "--timeout=300s")
    for chart in ("asya-crew", "asya-gateway", "asya-operator"):
        releases.helm("uninstall", chart, "--wait")
        if chart == "asya-crew":
            until_no_actor(cluster)
    left = cluster.kubectl("get", "clusterrole,clusterrolebinding", "-o", "name").splitlines()
    assert [each for each in left if "asya" in each] == []


def rolled(cluster: Cluster, deployment: str) -> None:
    cluster.kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{deployment}", "--timeout=300s")


def until_rolled(cluster: Cluster, tag: str) -> None:
    """Wait until operator, gateway and the actors' sidecars are all of one release."""
    for deployment in ("asya-operator", "asya-gateway"):
        rolled(cluster, deployment)
    for name in ("work", "happy-end"):
        eventually(
            lambda name=name: sidecar(cluster, name),  # type: ignore[misc]
            lambda image: image == f"asya-sidecar:{tag}",
            ROLLED_S,
            f"{name} with a sidecar {tag}",
        )
        rolled(cluster, name)


def sidecar(cluster: Cluster, name: str) -> str | None:
    """Image of the sidecar in an actor's workload."""
    deployment = cluster.get("deployment", name, NAMESPACE)
    if deployment is None:
        return None
    pod = deployment["spec"]["template"]["spec"]
    every = [*pod["containers"], *pod.get("initContainers", [])]
    return next((str(each["image"]) for each in every if each["name"] == "asya-sidecar"), None)


def until_no_actor(cluster: Cluster) -> None:
    eventually(
        lambda: cluster.kubectl("-n", NAMESPACE, "get", "asyncactor", "-o", "name"),
        lambda found: not found,
        240,
        "the crew to be gone",
    )
