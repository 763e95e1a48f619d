"""Each alert fires when it should and stays silent when it should, as promtool judges; each has a runbook."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from asya_cli.cluster_alerts import Sample, firing, told_at_once
from asya_gateway import metric_table as gateway
from asya_manifest.alerts import ALERTS, Alert
from asya_operator import metric_table as operator
from asya_process.metric import Metric
from asya_sidecar import metric_table as sidecar
from lab.checkout import ROOT
from lab.installs.prometheus import prometheus
from tests.observability.alert_cases import CASES, Series
from tools.monitoring.records import RECORDS

RULES = ROOT / "deploy" / "monitoring" / "rules.yaml"
TABLES = (("asya_actor", sidecar.TABLE), ("asya_operator", operator.TABLE), ("asya_gateway", gateway.TABLE))


@pytest.fixture(scope="module")
def promtool() -> Path:
    return prometheus("promtool")


def told(metric: Metric, prefix: str) -> set[str]:
    name = f"{prefix}_{metric.name}"
    return {f"{name}_{part}" for part in ("bucket", "sum", "count")} if metric.kind == "histogram" else {name}


def test_promtool_takes_the_rules(promtool: Path) -> None:
    done = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS) + len(RECORDS)} rules found" in done.stdout


def test_every_alert_has_two_stories_and_a_runbook() -> None:
    assert set(CASES) == {alert.name for alert in ALERTS}
    runbooks = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    for alert in ALERTS:
        assert f"### {alert.name}\n" in runbooks


def test_rules_ask_for_metrics_that_processes_have() -> None:
    known = {name for prefix, table in TABLES for metric in table for name in told(metric, prefix)}
    known |= {record.name for record in RECORDS}
    for expr in [alert.expr for alert in ALERTS] + [record.expr for record in RECORDS]:
        asked = set(re.findall(r"(?:queue:)?\basya_[a-z0-9_:]+", expr))
        assert asked <= known, expr


@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_and_another_time_stays_silent(name: str, promtool: Path, tmp_path: Path) -> None:
    case = CASES[name]
    (alert,) = [each for each in ALERTS if each.name == name]
    fires = [{"exp_labels": {**case.labels, "severity": alert.severity}}]
    for story, series, expected in (("fires", case.fires, fires), ("silent", case.silent, [])):
        test = {
            "rule_files": [str(RULES)],
            "evaluation_interval": "1m",
            "tests": [judged(series, name, case.at, expected)],
        }
        file = tmp_path / f"{story}.json"  # JSON is YAML
        file.write_text(json.dumps(test))
        done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
        assert verdict(done.stdout + done.stderr, expected), f"{story}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("alert", [each for each in ALERTS if told_at_once(each)], ids=lambda each: each.name)
def test_the_doctor_judges_as_prometheus_does(alert: Alert) -> None:
    """By the same stories, at the moment at which promtool looks; their series stand still."""
    case = CASES[alert.name]
    now_s = float(case.at.removesuffix("m")) * 60
    (fires,) = [each for each in firing(samples(case.fires), now_s) if each.alert is alert]
    assert "{{" not in fires.summary
    assert all(value in fires.summary for name, value in case.labels.items() if name != "actor_namespace")
    steady = {key: values for key, values in case.silent.items() if " " not in values}
    assert [each for each in firing(samples(steady), now_s) if each.alert is alert] == []


def samples(series: Series) -> list[Sample]:
    return [
        Sample(key.partition("{")[0], dict(re.findall(r'(\w+)="([^"]*)"', key)), float(values.partition("x")[0]))
        for key, values in series.items()
    ]


def judged(series: Series, name: str, at: str, expected: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": name, "exp_alerts": expected}],
    }


def verdict(output: str, expected: list[dict[str, Any]]) -> bool:
    """Whether promtool found the labels that were expected; annotations are words, and not compared here."""
    if "SUCCESS" in output:
        return True
    got = re.search(r"got:\[(.*)\]", output, re.DOTALL)
    if not expected or got is None or "Labels:" not in got.group(1):
        return False
    labels = dict(re.findall(r'(\w+)="([^"]*)"', got.group(1).partition("Labels:{")[2].partition("}")[0]))
    labels.pop("alertname", None)
    return bool(labels == expected[0]["exp_labels"])
