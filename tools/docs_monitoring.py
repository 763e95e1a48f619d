"""Write deploy/monitoring and docs/runbooks.md from the tables of ``tools.monitoring``; with ``--check`` only compare."""

import argparse
from collections.abc import Iterator
from typing import Any, Final

import yaml

from asya_manifest.alerts import ALERTS, Alert
from lab.checkout import ROOT
from tools.monitoring.grafana import write_board
from tools.monitoring.panels import BOARDS
from tools.monitoring.records import RECORDS
from tools.tree import write_or_compare

FOLDER: Final = ROOT / "deploy" / "monitoring"
RUNBOOKS: Final = "docs/runbooks.md"
NAMESPACE: Final = "asya-system"
MONITORS: Final = ("operator-pod-monitor.yaml", "gateway-pod-monitor.yaml")
MADE: Final = "# Made by `make docs` from tools/monitoring.\n"
PAGE_HEAD: Final = """\
# Runbooks

One section per alert of [deploy/monitoring/rules.yaml](../deploy/monitoring/rules.yaml). `page` wants a person now, `ticket`
within the day. Without a Prometheus `asya doctor --cluster` says which of them are true now, as far as one look can tell:
dead letters, statuses, scalers, brokers that are away, versions, certificates, tokens. [metrics.md](metrics.md) has every
metric, [operator.md](operator.md#statuses) every status of an actor. This page is made from the alerts' own table by
`make docs`.
"""


def main() -> None:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 when a file differs")
    check = parser.parse_args().check
    (FOLDER / "dashboards").mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        write_or_compare(FOLDER / name, text, check=check, command="make docs")
    write_or_compare(
        ROOT / "docs" / "runbooks.md", "\n".join([PAGE_HEAD, *runbooks()]), check=check, command="make docs"
    )


def files() -> dict[str, str]:
    """Everything in the folder, by name."""
    groups = rule_groups()
    dashboards = {f"dashboards/{board.uid}.json": write_board(board) for board in BOARDS}
    meta = {"name": "asya-operator", "namespace": NAMESPACE, "labels": labels("asya-operator")}
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": meta,
        "spec": {"groups": groups},
    }
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": ["prometheus-rule.yaml", *MONITORS],
        "configMapGenerator": [
            {
                "name": "asya-dashboards",
                "files": sorted(dashboards),
                "options": {"labels": {"grafana_dashboard": "1"}, "disableNameSuffixHash": True},
            }
        ],
    }
    return {
        "rules.yaml": MADE + dump({"groups": groups}),
        "prometheus-rule.yaml": MADE + dump(rule),
        **{file: MADE + dump(each) for file, each in zip(MONITORS, pod_monitors(), strict=True)},
        "kustomization.yaml": f"{MADE}# For a cluster with a Prometheus operator and Grafana's sidecar for dashboards.\n"
        + dump(kustomization),
        **dashboards,
    }


def rule_groups() -> list[dict[str, Any]]:
    """The rules as Prometheus groups them."""
    records = [{"record": each.name, "expr": each.expr} for each in RECORDS]
    return [
        {"name": "asya.records", "rules": records},
        {"name": "asya.alerts", "rules": [shape(each) for each in ALERTS]},
    ]


def shape(alert: Alert) -> dict[str, Any]:
    """One alert as Prometheus reads it."""
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.for_,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "runbook_url": f"{RUNBOOKS}#{alert.name.lower()}"},
    }


def pod_monitors() -> list[dict[str, Any]]:
    """What a Prometheus operator scrapes of the operator and the gateway; each actor's monitor is made with the actor."""
    endpoints = {
        "asya-operator": {"port": "metrics"},
        "asya-gateway": {
            "port": "http",
            "path": "/metrics",
            "authorization": {"credentials": {"name": "asya-gateway-metrics", "key": "token", "optional": True}},
        },
    }
    return [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels(name)},
            "spec": {
                "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
                "podMetricsEndpoints": [endpoint],
            },
        }
        for name, endpoint in endpoints.items()
    ]


def labels(name: str) -> dict[str, str]:
    """Of an object that belongs to a process of that name."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "asya"}


def runbooks() -> Iterator[str]:
    """Yield a section per alert."""
    for alert in ALERTS:
        summary = alert.summary.replace("{{ $labels.", "<").replace("{{ $value", "<value").replace(" }}", ">")
        yield f"### {alert.name}\n"
        yield f"`{alert.severity}`, after {alert.for_}: {summary.replace('<', '`').replace('>', '`')}\n"
        yield f"*Look:* {alert.look} *Mend:* {alert.mend}\n"
        yield f"```text\n{alert.expr}\n```\n"


def dump(value: object) -> str:
    """Write YAML as a person would."""
    return str(yaml.safe_dump(value, sort_keys=False, width=128))


if __name__ == "__main__":
    main()
