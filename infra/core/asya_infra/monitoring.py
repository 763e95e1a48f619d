"""Prometheus and Grafana for one mesh: small, in one namespace, with the mesh's dashboard. Pure.

Whoever has a monitoring of their own leaves this out: the operator makes PodMonitors where the cluster knows them.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import yaml

from asya_infra.installation import Manifest, config_map, let_in
from asya_infra.pod_shapes import claim, meta, resources, service, workload
from asya_manifest.labels import METRICS_PORT_NAME

PROMETHEUS_IMAGE: Final = "quay.io/prometheus/prometheus:v3.13.5"
GRAFANA_IMAGE: Final = "docker.io/grafana/grafana:13.2.3"
PROMETHEUS: Final = "asya-prometheus"
GRAFANA: Final = "asya-grafana"
RETENTION: Final = "7d"
PROMETHEUS_PORT: Final = 9090
GRAFANA_PORT: Final = 3000
GRAFANA_USER: Final = 472
PANELS: Final = (
    ("Envelopes per second, by actor", "sum by (queue) (rate(asya_actor_messages_processed_total[1m]))"),
    ("Failures per second, by actor", "sum by (queue) (rate(asya_actor_messages_failed_total[1m]))"),
    (
        "Handler calls, p99 seconds",
        "histogram_quantile(0.99, sum by (le, queue) (rate(asya_actor_runtime_execution_duration_seconds_bucket[5m])))",
    ),
    ("In the handler now", "sum by (pod) (asya_actor_active_messages)"),
)
"""Title and query of each panel."""


def objects(namespace: str, actors_namespace: str, images: Mapping[str, str] | None = None) -> list[Manifest]:
    """All of it.

    Args:
        namespace: Where both run; the operator's.
        actors_namespace: Whose pods are scraped besides.
        images: Other ones for ``prometheus`` and ``grafana``.
    """
    return [
        *_rights(namespace, actors_namespace),
        config_map(PROMETHEUS, namespace, {"prometheus.yml": _prometheus_config(namespace, actors_namespace)}),
        _prometheus(namespace, (images or {}).get("prometheus", PROMETHEUS_IMAGE)),
        service(PROMETHEUS, namespace, {"http": PROMETHEUS_PORT}),
        let_in(
            PROMETHEUS,
            namespace,
            [PROMETHEUS_PORT],
            [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": GRAFANA}}}],
        ),
        config_map(GRAFANA, namespace, _grafana_files()),
        _grafana(namespace, (images or {}).get("grafana", GRAFANA_IMAGE)),
        service(GRAFANA, namespace, {"http": GRAFANA_PORT}),
        let_in(GRAFANA, namespace, [GRAFANA_PORT]),
    ]


def _rights(namespace: str, actors_namespace: str) -> list[Manifest]:
    """Prometheus lists the pods of two namespaces and no others."""
    rbac = "rbac.authorization.k8s.io"
    found: list[Manifest] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(PROMETHEUS, namespace)}]
    for place in dict.fromkeys((namespace, actors_namespace)):
        found += [
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "Role",
                "metadata": meta(PROMETHEUS, place),
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
            },
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "RoleBinding",
                "metadata": meta(PROMETHEUS, place),
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": PROMETHEUS},
                "subjects": [{"kind": "ServiceAccount", "name": PROMETHEUS, "namespace": namespace}],
            },
        ]
    return found


def _prometheus_config(namespace: str, actors_namespace: str) -> str:
    places = list(dict.fromkeys((namespace, actors_namespace)))
    port = "__meta_kubernetes_pod_container_port_name"
    job = {
        "job_name": "asya",
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": places}}],
        "relabel_configs": [
            {"source_labels": [port], "regex": f"metrics|{METRICS_PORT_NAME}", "action": "keep"},
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        ],
    }
    return yaml.safe_dump({"global": {"scrape_interval": "15s"}, "scrape_configs": [job]}, sort_keys=False)


def _prometheus(namespace: str, image: str) -> Manifest:
    container: dict[str, Any] = {
        "image": image,
        "args": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={RETENTION}",
        ],
        "ports": [{"name": "http", "containerPort": PROMETHEUS_PORT}],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": "http"}},
        "resources": resources("100m", "256Mi", "1Gi"),
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/prometheus", "readOnly": True},
            {"name": "data", "mountPath": "/prometheus"},
        ],
    }
    return workload(
        "StatefulSet",
        PROMETHEUS,
        namespace,
        container,
        volumes=[{"name": "config", "configMap": {"name": PROMETHEUS}}],
        service_account=PROMETHEUS,
        claims=[claim("data", "10Gi")],
    )


def _grafana(namespace: str, image: str) -> Manifest:
    mounts = {
        "datasources.yaml": "/etc/grafana/provisioning/datasources/asya.yaml",
        "dashboards.yaml": "/etc/grafana/provisioning/dashboards/asya.yaml",
        "asya.json": "/etc/asya/dashboards/asya.json",
    }
    container: dict[str, Any] = {
        "image": image,
        # Only reached by `kubectl port-forward`: nobody has to look a password up, and nobody can change anything.
        "env": [
            {"name": "GF_AUTH_ANONYMOUS_ENABLED", "value": "true"},
            {"name": "GF_AUTH_ANONYMOUS_ORG_ROLE", "value": "Viewer"},
            {"name": "GF_AUTH_DISABLE_LOGIN_FORM", "value": "true"},
            {"name": "GF_ANALYTICS_REPORTING_ENABLED", "value": "false"},
            {"name": "GF_ANALYTICS_CHECK_FOR_UPDATES", "value": "false"},
        ],
        "ports": [{"name": "http", "containerPort": GRAFANA_PORT}],
        "readinessProbe": {"httpGet": {"path": "/api/health", "port": "http"}},
        "resources": resources("50m", "128Mi", "512Mi"),
        "volumeMounts": [
            *({"name": "files", "mountPath": path, "subPath": key} for key, path in mounts.items()),
            {"name": "data", "mountPath": "/var/lib/grafana"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
    }
    volumes = [
        {"name": "files", "configMap": {"name": GRAFANA}},
        {"name": "data", "emptyDir": {"sizeLimit": "256Mi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    return workload("Deployment", GRAFANA, namespace, container, volumes=volumes, user=GRAFANA_USER)


def _grafana_files() -> dict[str, str]:
    source = {
        "name": "Asya",
        "uid": "asya",
        "type": "prometheus",
        "url": f"http://{PROMETHEUS}:{PROMETHEUS_PORT}",
        "isDefault": True,
    }
    provider = {"name": "asya", "type": "file", "options": {"path": "/etc/asya/dashboards"}}
    return {
        "datasources.yaml": yaml.safe_dump({"apiVersion": 1, "datasources": [source]}),
        "dashboards.yaml": yaml.safe_dump({"apiVersion": 1, "providers": [provider]}),
        "asya.json": json.dumps(dashboard(), indent=1, sort_keys=True),
    }


def dashboard() -> dict[str, Any]:
    """The mesh's dashboard, as Grafana reads it."""
    return {
        "uid": "asya",
        "title": "Asya",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "panels": [
            {
                "id": place + 1,
                "type": "timeseries",
                "title": title,
                "datasource": {"type": "prometheus", "uid": "asya"},
                "gridPos": {"h": 8, "w": 12, "x": 12 * (place % 2), "y": 8 * (place // 2)},
                "targets": [{"refId": "A", "expr": query, "legendFormat": "{{queue}}"}],
            }
            for place, (title, query) in enumerate(PANELS)
        ],
    }
