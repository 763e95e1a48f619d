"""A gateway that lists the actors of a real API server: with their status, as one who may list them and as one who may not."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.servers.memory import memory_environ
from tests.support.cluster import ROOT, Cluster, eventually
from tests.support.gateway_process import Gateway

__all__ = ["memory_environ"]

CRASHES = {
    "type": "WorkloadReady", "status": "False", "reason": "PodCrashes", "message": "it crashes",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}  # fmt: skip
STATUS = {"status": "RuntimeError", "readyReplicas": 1, "desiredReplicas": 3, "conditions": [CRASHES]}
NAME = "console-test"


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace with one actor, one account that may list actors, and one that may nothing."""
    crd = ROOT / "deploy" / "operator" / "crd.yaml"
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(crd))
    eventually(
        lambda: cluster.kubectl("get", "asyncactors", "-A", check=False),
        lambda text: "the server doesn't have" not in text and "NotFound" not in text,
        180,
        "the CRD is served",
    )
    name = f"console-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    spec = {"transport": "nowhere", "image": "none:1", "handler": "m.f"}
    actor = {"apiVersion": "asya.sh/v1alpha1", "kind": "AsyncActor", "metadata": {"name": NAME}, "spec": spec}
    cluster.apply(actor, namespace=name)
    for account in ("watcher", "nobody"):
        cluster.kubectl("create", "serviceaccount", account, "-n", name)
    cluster.kubectl("create", "role", "watcher", "--verb=list", "--resource=asyncactors.asya.sh", "-n", name)
    cluster.kubectl(
        "create", "rolebinding", "watcher", "--role=watcher", f"--serviceaccount={name}:watcher", "-n", name
    )
    asked = ["auth", "can-i", "list", "asyncactors.asya.sh", "-n", name, f"--as=system:serviceaccount:{name}:watcher"]
    # Whoever decides over rights learns of a new binding a moment later.
    eventually(
        lambda: cluster.kubectl(*asked, check=False), lambda text: text.startswith("yes"), 60, "the right to list"
    )
    yield name
    # An operator that runs here may hold it: it knows no transport of this name.
    cluster.kubectl("delete", "asyncactor", NAME, "-n", name, "--timeout=15s", check=False)
    free = ["asyncactor", NAME, "-n", name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}']
    cluster.kubectl("patch", *free, check=False)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def config_of(cluster: Cluster, namespace: str, account: str, path: Path) -> str:
    """Write the kubeconfig of a service account."""
    document = yaml.safe_load(cluster.config.read_text(encoding="utf-8"))
    token = cluster.kubectl("create", "token", account, "-n", namespace).strip()
    for user in document["users"]:
        user["user"] = {"token": token}
    path.write_text(yaml.safe_dump(document))
    return str(path)


async def actors_as(config: str, source: str, broker: dict[str, str]) -> dict[str, Any]:
    """Ask a gateway that has only this kubeconfig."""
    environ = {**broker, "ASYA_GATEWAY_AUTH": "off", "ASYA_GATEWAY_ACTORS": source, "KUBECONFIG": config}
    with Gateway(environ) as gateway:
        async with gateway.client() as http:
            found: dict[str, Any] = (await http.get("/api/v1/actors")).json()
        assert gateway.stop() == 0
    return found


async def test_actors_are_listed_as_the_api_server_has_them(
    cluster: Cluster, namespace: str, memory_environ: dict[str, str], tmp_path: Path
) -> None:
    everywhere = await actors_as(str(cluster.config), "kubernetes", memory_environ)
    assert (namespace, NAME) in [(actor["namespace"], actor["name"]) for actor in everywhere["actors"]]
    watcher = config_of(cluster, namespace, "watcher", tmp_path / "watcher")
    # An operator that runs here writes its own status over this one sooner or later.
    status = json.dumps({"status": STATUS})
    patch = ["asyncactor", NAME, "-n", namespace, "--subresource=status", "--type=merge", "-p", status]
    cluster.kubectl("patch", *patch)
    found = await actors_as(watcher, f"kubernetes:{namespace}", memory_environ)
    (actor,) = found["actors"]
    assert (found["source"], found["problems"]) == ("kubernetes", [])
    assert (actor["name"], actor["namespace"], actor["queued"]) == (NAME, namespace, None)
    written = cluster.status(NAME, namespace)
    if written.get("conditions") == [CRASHES]:
        assert (actor["status"], actor["message"]) == ("RuntimeError", "it crashes")
        assert (actor["ready"], actor["desired"]) == (1, 3)
    else:
        assert actor["status"] is not None


async def test_who_may_not_list_them_is_told_what_is_missing(
    cluster: Cluster, namespace: str, memory_environ: dict[str, str], tmp_path: Path
) -> None:
    nobody = config_of(cluster, namespace, "nobody", tmp_path / "nobody")
    found = await actors_as(nobody, f"kubernetes:{namespace}", memory_environ)
    (problem,) = found["problems"]
    assert problem.startswith("GET /apis/asya.sh/v1alpha1/") and ": 403 " in problem
    assert problem.endswith("its role needs list on asyncactors.asya.sh")
    found = await actors_as(str(tmp_path / "none"), "kubernetes", memory_environ)
    assert found["problems"][0].startswith("no credentials for a cluster (")
