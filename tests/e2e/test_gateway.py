"""The gateway as users install it: the quick start's third option on a real cluster, two replicas on a real Postgres."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import yaml

from lab.servers.forward import forwarded
from lab.servers.postgres import PostgresServer, postgres
from tests.support.cluster import Cluster, eventually
from tests.support.installed import (
    Brokers,
    install_crew,
    install_gateway,
    prepare_namespace,
    read_examples,
    wait_for_status,
)  # fmt: skip

__all__ = ["postgres"]
NAMESPACE = "e2e-gateway"
TOKEN, REPORT = "a-token-for-the-end-to-end-tests", "a-token-for-the-sidecars-of-them"
REPORTING: list[dict[str, Any]] = [
    {"name": "ASYA_GATEWAY_URL", "value": "http://asya-gateway"},
    {"name": "ASYA_GATEWAY_TOKEN", "valueFrom": {"secretKeyRef": {"name": "asya-gateway-report", "key": "token"}}},
]


@pytest.fixture(scope="module")
def gateway(cluster: Cluster, brokers: Brokers, operator: None, postgres: PostgresServer) -> Iterator[str]:
    """URL of a gateway in a namespace of its own, whose actors report to it."""
    prepare_namespace(cluster, NAMESPACE, brokers)
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "asya-gateway-report"},
            "stringData": {"token": REPORT},
        },
        namespace=NAMESPACE,
    )
    install_crew(cluster, NAMESPACE, "sqs", sidecar_env=REPORTING)
    for document in read_examples("seed-quick-start.yaml"):
        if document["kind"] == "ConfigMap" or document["metadata"]["name"] == "hello-actor":
            document.get("spec", {}).setdefault("sidecar", {})["env"] = REPORTING
            cluster.apply(document, namespace=NAMESPACE)
    database = postgres.new_database()
    with forwarded(brokers.host, int(database.split(":")[2].split("/")[0])) as port:
        url = re.sub(r"127\.0\.0\.1:\d+", f"{brokers.host}:{port}", database)
        install_gateway(cluster, NAMESPACE, brokers, url, f"{TOKEN}\n{REPORT}|report\n")
        with port_forward(cluster) as local:
            yield local
        # Others are to have these names; what waits in a queue would keep them from it.
        taken_along = "asya.sh/delete-queue=true"
        cluster.kubectl("-n", NAMESPACE, "annotate", "asyncactor", "--all", taken_along)
        cluster.kubectl("-n", NAMESPACE, "delete", "asyncactor", "--all", "--wait=true", "--timeout=240s")
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@contextmanager
def port_forward(cluster: Cluster) -> Iterator[str]:
    """As the quick start does it: ``kubectl port-forward svc/asya-gateway 8089:80``, on a free port."""
    command = [
        *cluster.command,
        "-n",
        NAMESPACE,
        "port-forward",
        "svc/asya-gateway",
        ":80",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found is not None, line
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def listed(http: httpx2.Client) -> list[str]:
    headers = {"Mcp-Session-Id": "mcp-session-00000000-0000-4000-8000-000000000000"}
    answer = http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)
    return [tool["name"] for tool in answer.json()["result"]["tools"]]


def test_a_tool_is_listed_called_and_followed_to_its_result(cluster: Cluster, gateway: str) -> None:
    wait_for_status(cluster, "hello-actor", NAMESPACE, "Napping", "Running")
    eventually(
        lambda: cluster.get("deployment", "asya-gateway", NAMESPACE),
        lambda found: found is not None and found["status"].get("readyReplicas") == 2,
        60,
        "both replicas to be ready",
    )
    with httpx2.Client(base_url=gateway, timeout=90, trust_env=False) as nobody:
        assert nobody.get("/ready").text == "OK\n"
        assert nobody.post("/tools/call", json={"name": "hello"}).status_code == 401
    with httpx2.Client(
        base_url=gateway, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=90, trust_env=False
    ) as http:
        eventually(lambda: listed(http), lambda names: names == ["hello"], 300, "the tool to be listed")
        answer = http.post("/tools/call", json={"name": "hello", "arguments": {"who": "artem"}}).json()
        told: dict[str, Any] = json.loads(answer["content"][0]["text"])
        shown = eventually(
            lambda: http.get(told["status_url"], params={"wait": 30}).json(),
            lambda envelope: envelope["status"] in {"succeeded", "failed"},
            400,
            "the envelope to end",
        )
        assert (shown["status"], shown["result"]) == ("succeeded", {"message": "Hello artem!"})
        assert shown["progress_percent"] == 100
        tools = {"metadata": {"name": "asya-gateway-tools"}, "apiVersion": "v1", "kind": "ConfigMap"}
        text = yaml.safe_dump({"tools": [{"name": "wave", "route": ["hello-actor"]}]})
        cluster.kubectl(
            "-n", NAMESPACE, "apply", "--server-side", "--field-manager=tool-wave", "-f", "-",
            stdin=yaml.safe_dump({**tools, "data": {"wave.yaml": text}}),
        )  # fmt: skip
        names = eventually(lambda: listed(http), lambda names: "wave" in names, 400, "the new tool to be listed")
        assert names == ["hello", "wave"]
