"""An OpenTelemetry collector with what ours needs, built from the Go modules of its release and kept outside the checkout.

The published image has more receivers and exporters in it; these are the same code of the same version.

``python -m lab.installs.collector`` builds it before any test waits for it: a minute of CPU the first time.
"""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from lab.built_once import GO, built_once, pinned_folder
from lab.go import go, module

VERSION: Final = "0.162.0"
_STABLE: Final = "1.68.0"
"""How the modules of the same release are numbered that promise to stay."""
_MODULES: Final = (
    *(
        f"go.opentelemetry.io/collector/{each}@v{VERSION}"
        for each in (
            "otelcol",
            "service",
            "receiver/otlpreceiver",
            "processor/memorylimiterprocessor",
            "exporter/otlphttpexporter",
        )
    ),
    *(f"go.opentelemetry.io/collector/confmap/provider/{each}@v{_STABLE}" for each in ("envprovider", "fileprovider")),
)
_PROGRAM: Final = Path(__file__).with_name("collector.go")


def collector() -> Path:
    """The program. Skips where Go is missing, fails where CI is set."""
    done = pinned_folder(f"collector-{VERSION}", [GO, Path(__file__), _PROGRAM])
    if not done.is_dir() and shutil.which("go") is None:
        reason = "the collector is built from its Go modules, and Go is not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return built_once(done, _make) / "otelcol"


def _make(half: Path, scratch: Path) -> None:
    work = scratch / "collector"
    module(work)
    shutil.copyfile(_PROGRAM, work / "main.go")
    go(work, "get", *_MODULES)
    go(work, "build", "-ldflags=-s -w", "-o", f"{half}/otelcol", ".")


if __name__ == "__main__":
    print(collector())
