"""Helm's two living generations, built from their Go modules and kept outside the checkout.

``python -m lab.installs.helm`` builds both before any test waits for them: minutes the first time.
"""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from lab.built_once import GO, built_once, pinned_folder
from lab.go import tool

VERSIONS: Final = {4: "4.3.2", 3: "3.22.0"}
"""What is released of each generation; the third gets repairs only, and many clusters still run it."""


def helm(generation: int) -> Path:
    """One generation's program. Skips where Go is missing, fails where CI is set."""
    done = pinned_folder(f"helm-{VERSIONS[generation]}", [GO, Path(__file__)])
    if not done.is_dir() and shutil.which("go") is None:
        reason = "Helm is built from its Go module, and Go is not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return built_once(done, lambda half, scratch: _make(generation, half, scratch)) / "helm"


def _make(generation: int, half: Path, scratch: Path) -> None:
    module = f"helm.sh/helm/v{generation}"
    stamp = f"{module}/internal/version.version"
    tool(scratch / "helm", f"{module}/cmd/helm", VERSIONS[generation], half / "helm", stamp)


if __name__ == "__main__":
    for each in VERSIONS:
        print(helm(each))
