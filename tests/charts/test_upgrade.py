"""Values of the previous release's charts are taken by this one's, however Helm keeps them."""

from typing import Any

import pytest
import yaml

from lab.installs.previous_release import Release, previous_release
from tests.charts.conftest import CHARTS, Helm

NEEDED: dict[str, dict[str, Any]] = {"asya-actor": {"name": "a", "transport": "sqs", "image": "a:1", "handler": "a.b"}}
NAMES = sorted(path.name for path in CHARTS.iterdir() if path.is_dir())


@pytest.fixture
def before() -> Release:
    return previous_release()


def values_of(tree: Release | None, chart: str) -> dict[str, Any]:
    folder = tree.tree / "deploy/helm-charts" if tree else CHARTS
    return yaml.safe_load((folder / chart / "values.yaml").read_text(encoding="utf-8")) or {}


def without_new(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The old defaults, and ``null``, by which Helm takes a default away, for all that is new."""
    found = dict(old)
    for name, value in new.items():
        if name not in old:
            found[name] = None
        elif isinstance(value, dict) and isinstance(old[name], dict):
            found[name] = without_new(old[name], value)
    return found


@pytest.mark.parametrize("chart", NAMES)
def test_the_old_chart_s_defaults_are_taken(newest_helm: Helm, before: Release, chart: str) -> None:
    assert newest_helm.render(chart, **{**values_of(before, chart), **NEEDED.get(chart, {})})


@pytest.mark.parametrize("chart", NAMES)
def test_reused_values_that_lack_what_is_new_are_taken_too(newest_helm: Helm, before: Release, chart: str) -> None:
    values = without_new(values_of(before, chart), values_of(None, chart))
    assert newest_helm.render(chart, **{**values, **NEEDED.get(chart, {})})
