"""What only an API server decides, on a real one by itself: who keeps which actor, who may do what, what a chart is refused.

No kubelet runs here, so no pods either; the cluster of `make cluster` is not needed, only its parts.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pika
import pytest
import yaml
from prometheus_client import start_http_server

from asya_operator.metrics import Metrics
from bench.api_server import ApiServer
from lab.cluster import choice
from lab.installs.helm import VERSIONS, helm
from lab.installs.previous_release import THIS, previous_release
from lab.servers.rabbitmq import Address, rabbitmq_server
from tests.support.actors import actor
from tests.support.cluster import ROOT, Cluster, eventually
from tests.support.operator_process import OperatorProcess

__all__ = ["rabbitmq_server"]

LIMIT_S: Final = 120.0
ACTORS: Final = "asyncactors.asya.sh"
CHART: Final = ROOT / "deploy/helm-charts/asya-operator"
POD: Final = "asya-operator-7d9c5b8f6d-x2x4z"
REPORTS: Final = "asya-gateway-report"
Transports = dict[str, Any]


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.apply((ROOT / "deploy/operator/crd-limits.yaml").read_text(encoding="utf-8"))
        server.start_controllers(
            "deployment-controller", "clusterrole-aggregation-controller", "resourcequota-controller"
        )
        for name in ("first", "blue", "keeper", "team-a", "team-b", "team-c", "team-d"):
            server.kubectl("create", "namespace", name)
        yield server


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> Cluster:
    return Cluster(api.kubeconfig)


@pytest.fixture(scope="module")
def transports(rabbitmq_server: Address) -> Transports:
    amqp, management = urlsplit(rabbitmq_server.url), urlsplit(rabbitmq_server.management_url)
    config: dict[str, Any] = {"host": "127.0.0.1", "port": amqp.port, "username": "guest"}
    config |= {
        "passwordSecretRef": {"name": "rabbitmq", "key": "password"},
        "managementPort": management.port,
    }
    return {"transports": {"rabbitmq": {"type": "rabbitmq", "enabled": True, "config": config}}}


def make_actor(cluster: Cluster, name: str, namespace: str, **spec: Any) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "rabbitmq"},
        "stringData": {"password": "guest"},
    }
    cluster.apply(secret, actor(name, "rabbitmq", **spec), namespace=namespace)


def sidecar_image(cluster: Cluster, name: str, namespace: str) -> str | None:
    """Which operator's sidecar an actor's workload has."""
    deployment = cluster.get("deployment", name, namespace)
    if deployment is None:
        return None
    pod = deployment["spec"]["template"]["spec"]
    every = [*pod["containers"], *pod.get("initContainers", [])]
    return next((str(each["image"]) for each in every if each["name"] == "asya-sidecar"), None)


def ready_condition(cluster: Cluster, name: str, namespace: str) -> dict[str, Any]:
    conditions = cluster.status(name, namespace).get("conditions", [])
    return next((each for each in conditions if each["type"] == "Ready"), {})


def test_two_operators_keep_each_its_own_actors_and_hand_one_over(
    api: ApiServer, cluster: Cluster, transports: Transports, tmp_path: Path
) -> None:
    with (
        OperatorProcess("first", api.kubeconfig, tmp_path, transports) as first,
        OperatorProcess("blue", api.kubeconfig, tmp_path, transports, ASYA_OPERATOR_CLASS="blue") as blue,
    ):
        make_actor(cluster, "plain", "team-a")
        make_actor(cluster, "chosen", "team-b", operatorClass="blue")
        make_actor(cluster, "nobodys", "team-b", operatorClass="green")
        for name, namespace, keeper in (("plain", "team-a", first), ("chosen", "team-b", blue)):
            until_kept(cluster, name, namespace, keeper)
            # As a script, Argo or Flux waits for it.
            cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", f"asya/{name}", "--timeout=120s")
        # Both have seen all three by now, and neither has written over the other's.
        for name, namespace in (("plain", "team-a"), ("chosen", "team-b")):
            deployment = cluster.get("deployment", name, namespace)
            assert deployment is not None
            images = {sidecar_image(cluster, name, namespace)}
            assert len(images) == 1
        waiting = ready_condition(cluster, "nobodys", "team-b")
        assert (waiting["status"], waiting["reason"]) == ("Unknown", "Pending")
        assert "spec.operatorClass" in waiting["message"]
        assert sidecar_image(cluster, "nobodys", "team-b") is None

        before = cluster.get("deployment", "plain", "team-a")
        assert before is not None
        cluster.kubectl(
            "-n", "team-a", "patch", "asya", "plain", "--type=merge", "-p", '{"spec": {"operatorClass": "blue"}}'
        )
        until_kept(cluster, "plain", "team-a", blue)
        after = cluster.get("deployment", "plain", "team-a")
        assert after is not None
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        cluster.kubectl("-n", "team-a", "delete", "asya", "plain", "--timeout=120s")
        cluster.kubectl("-n", "team-b", "delete", "asya", "chosen", "--timeout=120s")
        cluster.kubectl("-n", "team-b", "delete", "asya", "nobodys", "--timeout=120s")


def test_what_a_deleted_actor_left_stays_with_its_namespace(
    api: ApiServer, cluster: Cluster, transports: Transports, rabbitmq_server: Address, tmp_path: Path
) -> None:
    """Whoever waits for the name gets it with an empty queue alone; the next operator process knows that, too."""
    keeper = OperatorProcess("keeper", api.kubeconfig, tmp_path, transports)
    with keeper, pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url)) as broker:
        make_actor(cluster, "heir", "team-a")
        until_kept(cluster, "heir", "team-a", keeper)
        broker.channel().basic_publish("", "keeper-heir", b"{}")
        cluster.kubectl("-n", "team-a", "delete", "asya", "heir", "--timeout=120s")
        make_actor(cluster, "heir", "team-b")
        eventually(
            lambda: str(cluster.status("heir", "team-b")),
            lambda said: "they stay with namespace team-a" in said,
            LIMIT_S,
            "the queue to be team-a's",
        )
    with keeper, pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url)) as broker:
        make_actor(cluster, "heir", "team-a")
        until_kept(cluster, "heir", "team-a", keeper)
        assert cluster.get("deployment", "heir", "team-b") is None
        cluster.kubectl("-n", "team-a", "delete", "asya", "heir", "--timeout=120s")
        assert broker.channel().queue_purge("keeper-heir").method.message_count == 1
        until_kept(cluster, "heir", "team-b", keeper)
        cluster.kubectl("-n", "team-b", "delete", "asya", "heir", "--timeout=120s")


def test_of_two_operators_of_all_namespaces_the_younger_stands_by(
    api: ApiServer, cluster: Cluster, transports: Transports, tmp_path: Path
) -> None:
    """Each is told which pod of which Deployment it is; the chart's Deployments say who was first."""
    # Ages are whole seconds; of two of one second the first by namespace is the elder.
    for namespace in ("blue", "first"):
        values = ["--kube-version", choice.kubernetes(), "--namespace", namespace]
        argv = [str(helm(max(VERSIONS))), "template", "asya-operator", str(CHART), *values]
        rendered = subprocess.run(argv, capture_output=True, text=True, check=True)
        (deployment,) = (each for each in yaml.safe_load_all(rendered.stdout) if each and each["kind"] == "Deployment")
        cluster.apply(deployment)
    with OperatorProcess("blue", api.kubeconfig, tmp_path, transports, HOSTNAME=POD) as elder:
        younger = OperatorProcess("first", api.kubeconfig, tmp_path, transports, HOSTNAME=POD)
        with younger.begun():
            stands_by = "stands by: blue/asya-operator keeps the same actors"
            eventually(younger.readiness, lambda said: stands_by in said, LIMIT_S, "the younger to stand by")
            make_actor(cluster, "one", "team-a")
            until_kept(cluster, "one", "team-a", elder)
            assert stands_by in younger.readiness()
            cluster.kubectl("-n", "blue", "delete", "deployment", "asya-operator", "--timeout=120s")
            eventually(younger.readiness, lambda said: said == "ok", LIMIT_S, "the younger to go on")
    with OperatorProcess("first", api.kubeconfig, tmp_path, transports, HOSTNAME=POD) as younger:
        until_kept(cluster, "one", "team-a", younger)
        cluster.kubectl("-n", "team-a", "delete", "asya", "one", "--timeout=120s")
    cluster.kubectl("-n", "first", "delete", "deployment", "asya-operator", "--timeout=120s")


def until_kept(cluster: Cluster, name: str, namespace: str, keeper: OperatorProcess) -> None:
    eventually(
        lambda: sidecar_image(cluster, name, namespace),
        lambda image: image == keeper.image,
        LIMIT_S,
        f"{name} to be kept by {keeper.image}",
    )


def test_an_operator_of_one_namespace_needs_no_right_elsewhere(
    api: ApiServer, cluster: Cluster, transports: Transports, tmp_path: Path
) -> None:
    values = ["--set", "watchNamespaces={team-a}", "--set", "rbac.roles=false", "--namespace", "first"]
    rendered = subprocess.run(
        [str(helm(max(VERSIONS))), "template", "only", str(CHART), "--kube-version", choice.kubernetes(), *values],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    wanted = {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount"}
    made = [each for each in yaml.safe_load_all(rendered.stdout) if each and each["kind"] in wanted]
    cluster.apply(*made)
    (account,) = (each["metadata"]["name"] for each in made if each["kind"] == "ServiceAccount")
    with OperatorProcess(
        "first", limited(api, account, "first", tmp_path), tmp_path, transports, ASYA_WATCH_NAMESPACES="team-a"
    ) as operator:
        make_actor(cluster, "inside", "team-a")
        make_actor(cluster, "outside", "team-b")
        until_kept(cluster, "inside", "team-a", operator)
        cluster.kubectl("-n", "team-a", "wait", "--for=condition=Ready", "asya/inside", "--timeout=120s")
        assert ready_condition(cluster, "outside", "team-b")["reason"] == "Pending"
        assert sidecar_image(cluster, "outside", "team-b") is None
        cluster.kubectl("-n", "team-a", "delete", "asya", "inside", "--timeout=120s")
    cluster.kubectl("-n", "team-b", "delete", "asya", "outside", "--timeout=120s")


def limited(api: ApiServer, account: str, namespace: str, folder: Path) -> Path:
    """A kubeconfig with a service account's rights."""
    config = yaml.safe_load(api.kubeconfig.read_text(encoding="utf-8"))
    token = api.kubectl("-n", namespace, "create", "token", account).strip()
    config["users"][0]["user"] = {"token": token}
    path = folder / "limited"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    path.chmod(0o600)
    return path


RIGHTS: Final = [
    ("view", "list", ACTORS, "yes"),
    ("view", "get", f"{ACTORS}/status", "yes"),
    ("view", "list", "limits.asya.sh", "yes"),
    ("view", "create", ACTORS, "no"),
    ("edit", "create", ACTORS, "yes"),
    ("edit", "delete", "limits.asya.sh", "yes"),
    ("edit", "update", f"{ACTORS}/status", "no"),
    ("admin", "patch", ACTORS, "yes"),
]


def test_people_s_own_roles_reach_actors_in_their_namespace_alone(api: ApiServer, cluster: Cluster) -> None:
    """By the API server's own word, a SubjectAccessReview each; its controller adds our roles to Kubernetes' own."""
    api.apply((ROOT / "deploy/operator/roles.yaml").read_text(encoding="utf-8"))
    for role in ("view", "edit", "admin"):
        cluster.kubectl(
            "-n", "team-a", "create", "rolebinding", f"{role}er", f"--clusterrole={role}", f"--user={role}er"
        )
    for role, verb, what, answer in RIGHTS:
        eventually(
            lambda role=role, verb=verb, what=what: may(cluster, f"{role}er", "team-a", verb, what),  # type: ignore[misc]
            lambda said, answer=answer: said == answer,  # type: ignore[misc]
            LIMIT_S,
            f"{role} to {verb} {what}: {answer}",
        )
        assert may(cluster, f"{role}er", "team-b", verb, what) == "no"


def may(cluster: Cluster, user: str, namespace: str, verb: str, what: str) -> str:
    resource, _, part = what.partition("/")
    asked = ["auth", "can-i", verb, resource, f"--subresource={part}", f"--as={user}"]
    said = cluster.kubectl("-n", namespace, *asked, check=False)
    return said.strip().splitlines()[-1]


def test_a_quota_bounds_the_actors_of_a_namespace(cluster: Cluster) -> None:
    cluster.kubectl("-n", "team-c", "create", "quota", "actors", f"--hard=count/{ACTORS}=1")
    eventually(
        lambda: (cluster.get("quota", "actors", "team-c") or {}).get("status", {}).get("hard"),
        bool,
        LIMIT_S,
        "the quota to be counted",
    )
    make_actor(cluster, "one", "team-c")
    text = yaml.safe_dump(actor("two", "rabbitmq"))
    said = cluster.kubectl("-n", "team-c", "apply", "--server-side", "-f", "-", stdin=text, check=False)
    assert "exceeded quota: actors" in said
    cluster.kubectl("-n", "team-c", "delete", "quota/actors", "asya/one", "--timeout=120s")


def test_two_owners_of_one_manifest_merge_by_key(cluster: Cluster) -> None:
    make_actor(cluster, "merged", "team-d")
    container = {"name": "asya-runtime", "volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
    more = {"containers": [container], "volumes": [{"name": "cache", "emptyDir": {}}]}
    overlay = {
        **actor("merged", "rabbitmq"),
        "spec": {"workload": {"template": {"spec": more}}},
    }
    text = yaml.safe_dump(overlay)
    cluster.kubectl("-n", "team-d", "apply", "--server-side", "--field-manager=overlay", "-f", "-", stdin=text)
    found = cluster.get("asyncactor", "merged", "team-d")
    assert found is not None
    spec = found["spec"]["workload"]["template"]["spec"]
    assert [each["name"] for each in spec["volumes"]] == ["handler", "cache"]
    (runtime,) = spec["containers"]
    assert runtime["image"] == "python:3.13-slim"
    assert [each["mountPath"] for each in runtime["volumeMounts"]] == ["/app", "/cache"]
    cluster.kubectl("-n", "team-d", "delete", "asya/merged", "--timeout=120s")


@pytest.mark.parametrize("generation", VERSIONS)
def test_a_chart_refuses_a_keda_that_is_too_old_or_has_a_known_hole(
    generation: int, api: ApiServer, cluster: Cluster, tmp_path: Path
) -> None:
    def install(keda: str, *more: str) -> str:
        label = f"app.kubernetes.io/version={keda}"
        cluster.kubectl("label", "crd", "scaledobjects.keda.sh", label, "--overwrite")
        argv = [str(helm(generation)), "install", "asya-operator", str(CHART), "--dry-run=server", "-n", "first", *more]
        environment = {"KUBECONFIG": str(api.kubeconfig), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
        return "" if done.returncode == 0 else done.stderr

    # The roles of people stand already, made by another than Helm.
    without = ("--set", "rbac.roles=false", "--skip-crds")
    assert "KEDA 2.12.1 is too old" in install("2.12.1", *without)
    refused = install("2.20.1", *without)
    assert "CVE-2026-77524" in refused
    assert "upgrade KEDA to 2.21.0 or newer" in refused
    assert install("2.20.1", *without, "--set", "preflight.acceptKnownHoles=true") == ""
    assert install("2.21.0", *without) == ""
    assert install("main", *without) == ""


def doctor(api: ApiServer) -> dict[str, dict[str, Any]]:
    """What `asya doctor --cluster` finds, by name."""
    path = f"{choice.cache_folder() / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-c", "from asya_cli.main import main; main()", "doctor", "--cluster", "--json"],
        capture_output=True, text=True, check=False, env={**os.environ, "KUBECONFIG": str(api.kubeconfig), "PATH": path},
    )  # fmt: skip
    return {each["name"]: each for each in json.loads(done.stdout)["checks"]}


def test_the_command_line_finds_the_same(api: ApiServer, cluster: Cluster) -> None:
    def with_keda(version: str) -> dict[str, dict[str, Any]]:
        cluster.kubectl("label", "crd", "scaledobjects.keda.sh", f"app.kubernetes.io/version={version}", "--overwrite")
        return doctor(api)

    good, bad = with_keda("2.21.0"), with_keda("2.20.1")
    assert good["Kubernetes"]["detail"] == f"v{choice.kubernetes()}"
    assert (good["KEDA"]["found"], good["AsyncActor"]["found"], good["operator"]["found"]) == (True, True, False)
    assert not bad["KEDA"]["found"]
    assert "CVE-2026-77524" in bad["KEDA"]["detail"]


def test_the_command_line_tells_alerts_by_the_operator_s_own_figures(api: ApiServer, cluster: Cluster) -> None:
    """By the way that kubectl has to a pod, for whoever may use it; the pod is an address of this machine."""
    metrics = Metrics()
    metrics.count_rounds({"rabbitmq": False})
    metrics.show_parts([("RabbitMQ", "4.1.0")])
    address = own_address()
    page, _ = start_http_server(0, address, metrics.registry)
    try:
        deployment = operator_at(page.server_port)
        labels = deployment["spec"]["selector"]["matchLabels"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "seen", "labels": labels},
            "spec": {"containers": [{"name": "manager", "image": "none"}]},
        }
        claims = json.dumps({"exp": time.time() + 86400}).encode()
        token = f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"
        reports = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": REPORTS}, "stringData": {"token": token}}
        cluster.apply(reports, namespace="team-a")
        cluster.apply(deployment, pod, namespace="blue")
        status = json.dumps({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}})
        cluster.kubectl("-n", "blue", "patch", "pod", "seen", "--subresource=status", "--type=merge", "-p", status)
        found = doctor(api)
    finally:
        page.shutdown()
        page.server_close()
        cluster.kubectl("-n", "blue", "delete", "deployment/asya-operator", "pod/seen", "--force", "--ignore-not-found")
        cluster.kubectl("-n", "team-a", "delete", "secret", REPORTS, "--ignore-not-found")
    assert "operator's metrics" not in found
    assert found["AsyaQueuesNotCounted"]["detail"].startswith(
        "The operator cannot count the queues of transport rabbitmq"
    )
    assert "with which every actor of team-a reports" in found["AsyaTokenEnds"]["detail"]
    assert found["AsyaSupportEnded"]["detail"] == "Nobody mends RabbitMQ 4.1.0 any more."


def operator_at(port: int) -> dict[str, Any]:
    """The operator's Deployment, with its metrics at another port; nobody makes pods of it here."""
    text = (ROOT / "deploy/operator/deployment.yaml").read_text(encoding="utf-8")
    (found,) = [each for each in yaml.safe_load_all(text) if each and each["kind"] == "Deployment"]
    del found["metadata"]["namespace"]
    container = found["spec"]["template"]["spec"]["containers"][0]
    for each in container["ports"]:
        each["containerPort"] = port if each["name"] == "metrics" else each["containerPort"]
    made: dict[str, Any] = found
    return made


def own_address() -> str:
    """An address of this machine that is no loopback's: the API server proxies to no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.254", 9))  # sends nothing
        return str(probe.getsockname()[0])


@pytest.mark.parametrize("definition_first", [True, False], ids=["definition first", "operator first"])
def test_operator_and_definition_go_up_and_down_in_either_order(
    definition_first: bool, transports: Transports, tmp_path: Path
) -> None:
    before = previous_release()
    with ApiServer(before.tree) as api:
        cluster = Cluster(api.kubeconfig)
        api.start_controllers("deployment-controller")
        api.kubectl("create", "namespace", "old")
        api.kubectl("create", "namespace", "new")

        def bring_definitions() -> None:
            for file in ("crd.yaml", "crd-limits.yaml"):
                api.apply((ROOT / "deploy/operator" / file).read_text(encoding="utf-8"))

        with OperatorProcess(
            "old", api.kubeconfig, tmp_path, transports, release=before, ASYA_QUEUE_PREFIX="up-"
        ) as old:
            make_actor(cluster, "working", "default")
            until_kept(cluster, "working", "default", old)
        if definition_first:
            bring_definitions()
        with OperatorProcess("new", api.kubeconfig, tmp_path, transports, release=THIS, ASYA_QUEUE_PREFIX="up-") as new:
            until_kept(cluster, "working", "default", new)
            if not definition_first:
                bring_definitions()
            make_actor(cluster, "younger", "default")
            until_kept(cluster, "younger", "default", new)
            cluster.kubectl("wait", "--for=condition=Ready", "asya/younger", "--timeout=120s")
        with OperatorProcess(
            "old", api.kubeconfig, tmp_path, transports, release=before, ASYA_QUEUE_PREFIX="up-"
        ) as old:
            for name in ("working", "younger"):
                until_kept(cluster, name, "default", old)
            cluster.kubectl("delete", "asya", "working", "younger", "--timeout=120s")
