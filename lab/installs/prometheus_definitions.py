"""The definitions of PodMonitor and PrometheusRule, from the Prometheus operator's Go module, kept outside the checkout.

``python -m lab.installs.prometheus_definitions`` fetches them before any test waits for them.
"""

import os
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from lab.built_once import built_once, cache_root
from lab.go import module, source

VERSION: Final = "0.85.0"
_KINDS: Final = ("podmonitors", "prometheusrules")


def prometheus_definitions() -> list[dict[str, Any]]:
    """Both CustomResourceDefinitions; fetched once, 5 MB. Skips where Go is missing, fails where CI is set."""
    done = cache_root() / f"prometheus-definitions-{VERSION}"
    if not done.is_dir() and shutil.which("go") is None:
        reason = "the Prometheus operator's definitions come from its Go module, and Go is not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = built_once(done, _make)
    return [yaml.safe_load((folder / f"{kind}.yaml").read_text(encoding="utf-8")) for kind in _KINDS]


def _make(half: Path, scratch: Path) -> None:
    module(scratch)
    found = source(scratch, f"github.com/prometheus-operator/prometheus-operator@v{VERSION}")
    for kind in _KINDS:
        file = found / "example" / "prometheus-operator-crd" / f"monitoring.coreos.com_{kind}.yaml"
        shutil.copyfile(file, half / f"{kind}.yaml")


if __name__ == "__main__":
    print(len(prometheus_definitions()))
