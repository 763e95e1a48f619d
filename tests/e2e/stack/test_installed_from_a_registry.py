"""docs/install.md typed by somebody who has a cluster, a registry and a folder of wheels, and nothing of this repository.

`make release` fills both. Charts come from the registry by Helm, images by the cluster's node, the command line by pip; broker,
bucket and database are behind Services of the names that the page has. Three teams, a call in each, and nothing left.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import yaml

from lab.cluster.place import place
from lab.cluster.registries import lead
from lab.images.catalogue import IMAGES
from lab.images.packages import own_architecture
from lab.images.publish import own_version
from lab.installs.helm import VERSIONS, helm
from lab.installs.uv import uv
from lab.servers.forward import forwarded
from lab.servers.postgres import PostgresServer, postgres
from lab.servers.rabbitmq import call_management
from lab.servers.registry import Registry
from tests.support.cluster import ROOT, Cluster, eventually
from tests.support.install_page import PASSWORD, Reader, command, shell
from tests.support.installed import Brokers
from tools.release.__main__ import release

__all__ = ["postgres"]
pytestmark = pytest.mark.timeout(2400)

TEAMS: Final = ("my-team", "team-b", "team-c")
CALL: Final = """
export ASYA_TOOL_MCP_URL=$(asya-mcp-forward -n {team})
export ASYA_GATEWAY_TOKEN=$(kubectl -n {team} get secret asya-gateway-tokens -o jsonpath='{{.data.user}}' | base64 -d)
asya-mcp call hello --who={team}
asya-mcp-forward -n {team} --stop
"""
Serve = Callable[[str, int, int], None]


@pytest.fixture
def servers(empty_cluster: Cluster, brokers: Brokers, postgres: PostgresServer) -> Iterator[None]:
    """What is there before: a namespace ``servers`` with RabbitMQ, a bucket's service and PostgreSQL, and their users."""
    management = f"http://guest:guest@{brokers.host}:{brokers.management_port}"
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    users = {"asya": "%2F", "team-b": "team-b", "team-c": "team-c"}
    for user, vhost in users.items():
        if vhost == user:
            call_management(management, "PUT", f"/api/vhosts/{vhost}")
        call_management(management, "PUT", f"/api/users/{user}", {"password": PASSWORD, "tags": "monitoring"})
        call_management(management, "PUT", f"/api/permissions/{vhost}/{user}", everything)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE asya_gateway")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "servers"}}
    with forwarded(brokers.host, int(postgres.url.rpartition(":")[2].partition("/")[0])) as database:
        empty_cluster.apply(namespace)
        for objects in (
            service("rabbitmq", brokers.host, {5672: brokers.amqp_port, 15672: brokers.management_port}),
            service("s3", brokers.host, {9000: brokers.aws_port}),
            service("postgres", brokers.host, {5432: database}),
        ):
            empty_cluster.apply(*objects, namespace="servers")
        yield
    empty_cluster.kubectl("delete", "namespace", "servers", "--wait=false")
    for user, vhost in users.items():
        call_management(management, "DELETE", f"/api/users/{user}")
        if vhost == user:
            call_management(management, "DELETE", f"/api/vhosts/{vhost}")


def service(name: str, host: str, ports: dict[int, int]) -> list[dict[str, Any]]:
    """A Service that leads to ports of this machine."""
    listed = [{"name": f"p{port}", "port": port} for port in ports]
    ends = [{"name": f"p{port}", "port": there} for port, there in ports.items()]
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": listed}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [host]}],
            "ports": ends,
        },
    ]


@pytest.fixture
def reader(empty_cluster: Cluster, brokers: Brokers, tmp_path: Path) -> Iterator[Reader]:
    """Somebody in an empty folder, with an empty environment of Python, Helm and kubectl."""
    rooms = [image.room for image in IMAGES]
    with (
        Registry(tmp_path / "registry") as registry,
        forwarded(brokers.host, int(registry.name.partition(":")[2])) as port,
    ):
        name = f"{registry.name}/asya"
        made = release(
            own_version(), name, images=rooms, architectures=[own_architecture()], folder=tmp_path / "release"
        )
        lead(place(), registry.name, f"http://{brokers.host}:{port}")
        home, commands, environment = tmp_path / "home", tmp_path / "bin", tmp_path / "venv"
        home.mkdir()
        command(commands, "helm", helm(max(VERSIONS)), plain=True)
        command(commands, "kubectl", Path(empty_cluster.command[0]))
        uv("venv", "--quiet", "--seed", "--python", sys.executable, str(environment))
        environ = shell(home, empty_cluster.config, commands, environment / "bin")
        environ["PIP_FIND_LINKS"] = f"{made / 'wheels'} {environ.get('PIP_FIND_LINKS', '')}"
        reader = Reader(home, environ, name)
        try:
            yield reader
        finally:
            print(reader.table)
            for team in TEAMS:
                line = f"asya-mcp-forward -n {team} --stop"
                subprocess.run(["/bin/bash", "-c", line], env=environ, capture_output=True, check=False, timeout=60)


def test_three_teams_are_served_and_nothing_is_left(
    servers: None,
    reader: Reader,
    empty_cluster: Cluster,
    brokers: Brokers,
    record_property: Callable[[str, object], None],
) -> None:
    said = reader.read("With Helm")
    assert "Hello you!" in said
    reader.read("Several teams")
    give_back(empty_cluster, reader, TEAMS[-1])
    for team in TEAMS[1:]:
        answer = reader.take("bash", CALL.format(team=team))
        assert f"Hello {team}!" in answer
    assert f"Hello {TEAMS[-1]}! 0" in answer

    ours = [image for team in (*TEAMS, "asya-system") for image in images(empty_cluster, team) if "asya-" in image]
    assert ours and all(image.startswith(f"{reader.registry}/asya-") and "@sha256:" in image for image in ours)
    pulled = empty_cluster.kubectl("get", "events", "-A", "--field-selector", "reason=Pulled", "-o", "json")
    messages = [str(each["message"]) for each in json.loads(pulled)["items"]]
    for room in ("operator", "sidecar", "crew", "gateway"):
        assert any(f'Successfully pulled image "{reader.registry}/asya-{room}' in message for message in messages)

    reader.read("Upgrade and remove")
    left = empty_cluster.kubectl("get", "crd,clusterrole,clusterrolebinding,namespace", "-o", "name")
    assert [each for each in left.splitlines() if "asya" in each or "team" in each] == []
    management = f"http://guest:guest@{brokers.host}:{brokers.management_port}"
    queues = call_management(management, "GET", "/api/queues")
    assert [queue["name"] for queue in queues if queue["name"].startswith("asya-")] == []
    record_property("table", reader.table)


def give_back(cluster: Cluster, reader: Reader, team: str) -> None:
    """Give a team's first actor root and a writable root file system, by the lines of docs/migrating.md."""
    page = (ROOT / "docs/migrating.md").read_text(encoding="utf-8").split("\n## What a pod is given\n")[1]
    given = yaml.safe_load(page.split("```yaml excerpt\n")[1].split("```")[0])["spec"]
    documents = list(yaml.safe_load_all((reader.folder / "hello-actor.yaml").read_text(encoding="utf-8")))
    documents[1]["spec"]["transport"] = team
    pod = documents[1]["spec"]["workload"]["template"]["spec"]
    (runtime,), (more,) = pod["containers"], given["containers"]
    for name in ("env", "volumeMounts"):
        runtime[name] += more[name]
    runtime["securityContext"], pod["securityContext"] = more["securityContext"], given["securityContext"]
    pod["volumes"] += given["volumes"]
    documents[0]["data"]["hello.py"] = (
        "import os\n\n\ndef process(payload):\n"
        "    open('/written', 'w').close()\n"
        "    return {'message': f\"Hello {payload['who']}! {os.getuid()}\"}\n"
    )
    cluster.kubectl("label", "namespace", team, "pod-security.kubernetes.io/enforce=baseline", "--overwrite")
    text = yaml.safe_dump_all(documents)
    cluster.kubectl("-n", team, "apply", "-f", "-", stdin=text)
    eventually(
        lambda: (cluster.get("deployment", "hello-actor", team) or {})["spec"]["template"]["spec"]["securityContext"],
        lambda found: found.get("runAsUser") == 0,
        120,
        "the new template",
    )


def images(cluster: Cluster, namespace: str) -> set[str]:
    """Names of all images of a namespace's pods."""
    pods = [pod["spec"] for pod in cluster.items("pods", namespace)]
    return {
        str(container["image"]) for pod in pods for container in [*pod["containers"], *pod.get("initContainers", [])]
    }
