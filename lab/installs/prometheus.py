"""Prometheus and promtool, built from their Go module and kept outside the checkout.

Of service discovery only the kind for Kubernetes is compiled in, beside files and fixed addresses: the clients of two
dozen clouds are most of the build. The module has no web interface in it, so there is none.

``python -m lab.installs.prometheus`` builds both before any test waits for them: minutes the first time.
"""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from lab.built_once import GO, built_once, pinned_folder
from lab.go import go, module

VERSION: Final = "3.16.0"
_MODULE: Final = "github.com/prometheus/prometheus"
_MODULE_VERSION: Final = "v0.316.0"
"""How the module numbers what is released as ``VERSION``: Go would want another path from a second major version on."""
_TAGS: Final = "netgo,remove_all_sd,enable_kubernetes_sd"
_STAMP: Final = "github.com/prometheus/common/version.Version"


def prometheus(program: str = "prometheus") -> Path:
    """``prometheus`` or ``promtool``. Skips where Go is missing, fails where CI is set."""
    done = pinned_folder(f"prometheus-{VERSION}", [GO, Path(__file__)])
    if not done.is_dir() and shutil.which("go") is None:
        reason = "Prometheus is built from its Go module, and Go is not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return built_once(done, _make) / program


def _make(half: Path, scratch: Path) -> None:
    work = scratch / "prometheus"
    module(work)
    programs = [f"{_MODULE}/cmd/{each}" for each in ("prometheus", "promtool")]
    go(work, "get", *(f"{each}@{_MODULE_VERSION}" for each in programs))
    go(work, "build", f"-tags={_TAGS}", f"-ldflags=-s -w -X {_STAMP}={VERSION}", "-o", f"{half}/", *programs)


if __name__ == "__main__":
    print(prometheus())
