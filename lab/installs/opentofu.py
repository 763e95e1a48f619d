"""OpenTofu, built from its Go module and kept outside the checkout.

``python -m lab.installs.opentofu`` builds it before any test waits for it: minutes the first time.
"""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from lab.built_once import GO, built_once, pinned_folder
from lab.go_replaced import REPLACED, replacing_tool

VERSION: Final = "1.12.6"
_MODULE: Final = "github.com/opentofu/opentofu"


def opentofu() -> Path:
    """``tofu``. Skips where Go is missing, fails where CI is set."""
    done = pinned_folder(f"opentofu-{VERSION}", [GO, REPLACED, Path(__file__)])
    if not done.is_dir() and shutil.which("go") is None:
        reason = "OpenTofu is built from its Go module, and Go is not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return built_once(done, _make) / "tofu"


def _make(half: Path, scratch: Path) -> None:
    work, stamps = scratch / "tofu", {f"{_MODULE}/version.dev": "no"}
    replacing_tool(work, f"{_MODULE}@v{VERSION}", "cmd/tofu", half / "tofu", stamps)


if __name__ == "__main__":
    print(opentofu())
