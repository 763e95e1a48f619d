"""A real Prometheus, configured as a stack configures it, finds the mesh's pods; a stall fires its alert and clears."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from asya_infra import monitoring
from lab.servers.prometheus import PrometheusServer
from tests.support.actors import actor, handler
from tests.support.cluster import Cluster, eventually
from tests.support.installed import OPERATOR_NAMESPACE
from tests.support.wire import Wire, envelope

ECHO = "def process(payload):\n    return payload\n"
NAME = "stalling"
ALERT = "AsyaStalledConsumer"
SOON_S = 180


def installed(cluster: Cluster, namespace: str, folder: Path) -> tuple[list[dict[str, Any]], Path]:
    """The jobs and rules of ``asya:monitoring true``, with minutes made seconds.

    Pods are reached by the API server's proxy, for this Prometheus runs outside the cluster.
    """
    (data,) = [
        each["data"]
        for each in monitoring.objects(OPERATOR_NAMESPACE, [namespace])
        if each["kind"] == "ConfigMap" and each["metadata"]["name"] == monitoring.PROMETHEUS
    ]
    access = yaml.safe_load(cluster.config.read_text(encoding="utf-8"))
    server, user = access["clusters"][0]["cluster"], access["users"][0]["user"]
    files = {"ca": (server, "certificate-authority"), "cert": (user, "client-certificate"), "key": (user, "client-key")}
    jobs = [job for job in yaml.safe_load(data["prometheus.yml"])["scrape_configs"] if job["job_name"] == "asya"]
    pod = [f"__meta_kubernetes_{each}" for each in ("namespace", "pod_name", "pod_container_port_number")]
    for job in jobs:
        for found in job["kubernetes_sd_configs"]:
            found["kubeconfig_file"] = str(cluster.config.absolute())
        job |= {
            "scheme": "https",
            "tls_config": {f"{name}_file": _file(folder / name, *where) for name, where in files.items()},
        }
        job["relabel_configs"] += [
            {
                "source_labels": pod,
                "regex": "(.+);(.+);(.+)",
                "replacement": "/api/v1/namespaces/$1/pods/$2:$3/proxy/metrics",
                "target_label": "__metrics_path__",
            },
            {"target_label": "__address__", "replacement": server["server"].removeprefix("https://")},
        ]
    rules = folder / "rules.yaml"
    rules.write_text(re.sub(r"(\[|for: )(\d+)m\b", r"\g<1>\g<2>s", data["rules.yaml"]), encoding="utf-8")
    return jobs, rules


def _file(path: Path, part: dict[str, str], name: str) -> str:
    """What a kubeconfig holds or names, as a file."""
    if name in part:
        return part[name]
    path.write_bytes(base64.b64decode(part[f"{name}-data"]))
    return str(path)


def scaled(replicas: int) -> dict[str, Any]:
    """The actor with so many replicas, whatever waits for it."""
    made = actor(NAME, "rabbitmq", scaling={"enabled": False})
    made["spec"]["workload"]["replicas"] = replicas
    return made


@pytest.fixture
def stalled(cluster: Cluster, wire: Wire, rabbit: str) -> str:
    """An actor without replicas, and envelopes that wait for it."""
    cluster.apply(handler(NAME, ECHO), scaled(0), namespace=rabbit)
    eventually(lambda: wire.queues("rabbitmq"), lambda queues: f"asya-{NAME}" in queues, SOON_S, "its queue")
    wire.send("rabbitmq", [envelope(f"stalled-{number}", NAME) for number in range(3)])
    return rabbit


def test_a_stall_fires_its_alert_and_clears(cluster: Cluster, wire: Wire, stalled: str, tmp_path: Path) -> None:
    jobs, rules = installed(cluster, stalled, tmp_path)
    with PrometheusServer({}, [rules], jobs) as server:

        def firing() -> list[dict[str, str]]:
            found = server.query(f'ALERTS{{alertname="{ALERT}",alertstate="firing"}}')
            return [each["metric"] for each in found if each["metric"].get("queue") == NAME]

        (alert,) = eventually(firing, lambda found: len(found) == 1, SOON_S, f"{ALERT} to fire")
        assert alert["severity"] == "page"
        cluster.apply(scaled(1), namespace=stalled)
        assert wire.result("stalled-0")["payload"] == {}
        eventually(firing, lambda found: found == [], SOON_S, f"{ALERT} to clear")
        started = (f"asya_operator_{part}_start_seconds_count" for part in ("pod", "sidecar"))
        for name in ("asya_actor_messages_received_total", *started):
            series = f'{name}{{queue="{NAME}"}}'
            eventually(lambda asked=series: server.query(asked), bool, SOON_S, series)  # type: ignore[misc]
        parts = {each["metric"]["part"] for each in server.query("asya_operator_part_version")}
        assert parts >= {"Kubernetes", "KEDA"}
