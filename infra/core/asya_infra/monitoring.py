"""Prometheus and Grafana for one mesh: small, in one namespace, with what deploy/monitoring has for them. Pure.

A cluster with a Prometheus operator gets the same rules and dashboards as objects instead (``operator_objects``); each actor's
PodMonitor is made by our operator.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from asya_infra.gateway_objects import METRICS_SECRET
from asya_infra.installation import DEPLOY, Manifest, config_map, let_in, namespace_peer, read_deploy
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
DASHBOARDS: Final = "asya-dashboards"


def objects(namespace: str, others: Sequence[str], images: Mapping[str, str] | None = None) -> list[Manifest]:
    """All of it.

    Args:
        namespace: Where both run; the operator's.
        others: Namespaces whose pods are scraped besides: the actors', the broker's, the store's, the database's.
        images: Other ones for ``prometheus`` and ``grafana``.
    """
    places = list(dict.fromkeys((namespace, *others)))
    return [
        *_rights(namespace, places),
        config_map(
            PROMETHEUS,
            namespace,
            {
                "prometheus.yml": _prometheus_config(namespace, places),
                "rules.yaml": (DEPLOY / "monitoring" / "rules.yaml").read_text(encoding="utf-8"),
            },
        ),
        _prometheus(namespace, (images or {}).get("prometheus", PROMETHEUS_IMAGE)),
        service(PROMETHEUS, namespace, {"http": PROMETHEUS_PORT}),
        let_in(
            PROMETHEUS,
            namespace,
            [PROMETHEUS_PORT],
            [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": GRAFANA}}}],
        ),
        config_map(GRAFANA, namespace, _grafana_files()),
        config_map(DASHBOARDS, namespace, dashboards()),
        _grafana(namespace, (images or {}).get("grafana", GRAFANA_IMAGE)),
        service(GRAFANA, namespace, {"http": GRAFANA_PORT}),
        # Whoever reaches it reads all of Prometheus. People come by `kubectl port-forward`, which no policy keeps out.
        let_in(GRAFANA, namespace, [GRAFANA_PORT], [namespace_peer(namespace)]),
    ]


def operator_objects(namespace: str, servers: Sequence[str] = (), beside: Sequence[str] = ()) -> list[Manifest]:
    """What the Prometheus operator and the Grafana of a cluster are given: rules, monitors, dashboards.

    Args:
        namespace: Our operator's and gateway's.
        servers: Namespaces of broker, store and database, each named as its pods.
        beside: Further pods of our own namespace that have a port ``metrics``, by name.
    """
    files = ("prometheus-rule", "operator-pod-monitor", "gateway-pod-monitor")
    found = read_deploy(*(f"monitoring/{file}.yaml" for file in files))
    for manifest in found:
        manifest["metadata"]["namespace"] = namespace
    boards = config_map(DASHBOARDS, namespace, dashboards())
    boards["metadata"]["labels"] |= {"grafana_dashboard": "1"}  # what Grafana's chart looks for
    watched = {**{name: name for name in servers}, **dict.fromkeys(beside, namespace)}
    return [*found, *_monitors(watched), boards]


def _monitors(watched: Mapping[str, str]) -> Iterator[Manifest]:
    for name, place in watched.items():
        yield {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": meta(name, place),
            "spec": {
                "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
                "podMetricsEndpoints": [{"port": "metrics"}],
            },
        }


def dashboards() -> dict[str, str]:
    """The dashboards of deploy/monitoring by file name, as Grafana reads them."""
    files = sorted((DEPLOY / "monitoring" / "dashboards").glob("*.json"))
    return {path.name: path.read_text(encoding="utf-8") for path in files}


def _rights(namespace: str, places: Sequence[str]) -> list[Manifest]:
    """Prometheus lists the pods of these namespaces and no others."""
    rbac = "rbac.authorization.k8s.io"
    found: list[Manifest] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(PROMETHEUS, namespace)}]
    for place in places:
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


def _prometheus_config(namespace: str, places: Sequence[str]) -> str:
    port = "__meta_kubernetes_pod_container_port_name"
    job: dict[str, Any] = {
        "job_name": "asya",
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": list(places)}}],
        "relabel_configs": [
            {"source_labels": [port], "regex": f"metrics|{METRICS_PORT_NAME}", "action": "keep"},
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        ],
    }
    gateway = {
        "job_name": "asya-gateway",
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [namespace]}}],
        "authorization": {"credentials_file": "/etc/asya/gateway/token"},
        "relabel_configs": [
            {
                "source_labels": ["__meta_kubernetes_pod_label_app_kubernetes_io_name", port],
                "regex": "asya-gateway;http",
                "action": "keep",
            },
            *job["relabel_configs"][1:],
        ],
    }
    config = {
        "global": {
            "scrape_interval": "15s",
            "evaluation_interval": "15s",
            # Kept as native histograms, and as they come, for rules and dashboards of others' Prometheus are the same.
            "convert_classic_histograms_to_nhcb": True,
            "always_scrape_classic_histograms": True,
        },
        "rule_files": ["/etc/prometheus/rules.yaml"],
        "scrape_configs": [job, gateway],
    }
    return yaml.safe_dump(config, sort_keys=False)


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
            {"name": "gateway", "mountPath": "/etc/asya/gateway", "readOnly": True},
        ],
    }
    return workload(
        "StatefulSet",
        PROMETHEUS,
        namespace,
        container,
        volumes=[
            {"name": "config", "configMap": {"name": PROMETHEUS}},
            {"name": "gateway", "secret": {"secretName": METRICS_SECRET, "optional": True}},
        ],
        service_account=PROMETHEUS,
        claims=[claim("data", "10Gi")],
    )


def _grafana(namespace: str, image: str) -> Manifest:
    mounts = {
        "datasources.yaml": "/etc/grafana/provisioning/datasources/asya.yaml",
        "dashboards.yaml": "/etc/grafana/provisioning/dashboards/asya.yaml",
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
            {"name": "dashboards", "mountPath": "/etc/asya/dashboards", "readOnly": True},
            {"name": "data", "mountPath": "/var/lib/grafana"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
    }
    volumes = [
        {"name": "files", "configMap": {"name": GRAFANA}},
        {"name": "dashboards", "configMap": {"name": DASHBOARDS}},
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
    }
