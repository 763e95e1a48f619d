"""Which versions of a cluster's parts are refused, and that the charts say the same."""

import pytest
import yaml

from asya_manifest.cluster_needs import NEEDS, Part, problems
from lab.checkout import ROOT


@pytest.mark.parametrize(
    ("part", "version", "graves"),
    [
        ("Kubernetes", "v1.28.15", [True]),
        ("Kubernetes", "v1.29.0", []),
        ("Kubernetes", "v1.35.2-eks-3cf0ce", []),
        ("Kubernetes", "v1.100.0", []),
        ("KEDA", "2.12.1", [True, False]),
        ("KEDA", "2.20.1", [False]),
        ("KEDA", "v2.9", [True, False]),
        ("KEDA", "2.21.0", []),
        ("KEDA", "3.0.0", []),
        ("KEDA", "main", []),
        ("KEDA", "", []),
    ],
)
def test_versions_are_judged_as_numbers(part: Part, version: str, graves: list[bool]) -> None:
    found = problems(part, version)
    assert [each.grave for each in found] == graves
    assert all(version in each.words and each.cure.startswith(f"upgrade {part}") for each in found)


def test_a_hole_is_named_as_advisories_name_it() -> None:
    (hole,) = problems("KEDA", "2.20.1")
    assert "CVE-2026-77524" in hole.words
    assert hole.cure == "upgrade KEDA to 2.21.0 or newer"


def test_every_chart_names_the_oldest_kubernetes() -> None:
    (need,) = (each for each in NEEDS if each.part == "Kubernetes")
    for chart in sorted((ROOT / "deploy/helm-charts").glob("*/Chart.yaml")):
        assert yaml.safe_load(chart.read_text(encoding="utf-8"))["kubeVersion"] == f">={need.oldest}-0", chart
