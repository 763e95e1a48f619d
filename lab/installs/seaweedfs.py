"""SeaweedFS, the object store of ``ENV=oss``, built from its Go module and kept outside the checkout.

``python -m lab.installs.seaweedfs`` builds it before any test waits for it: minutes the first time.
"""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from lab.built_once import GO, built_once, pinned_folder
from lab.go_replaced import REPLACED, replacing_tool

VERSION: Final = "4.53"
_MODULE: Final = "github.com/seaweedfs/seaweedfs"
_MODULE_VERSION: Final = "v0.0.0-20261109003541-7506e5f91cd6"
"""The commit, as its releases carry no version that Go knows; it calls itself ``VERSION``."""


def seaweedfs() -> Path:
    """``weed``. Skips where it is not built; fails where CI is set and the run is to have every server."""
    done = folder()
    if not done.is_dir():
        reason = "SeaweedFS is not built here: run `python -m lab.installs.seaweedfs`"
        pytest.fail(reason) if os.environ.get("CI") and os.environ.get("BROKERS") == "all" else pytest.skip(reason)
    return done / "weed"


def folder() -> Path:
    """Where it is once it is built."""
    return pinned_folder(f"seaweedfs-{VERSION}", [GO, REPLACED, Path(__file__)])


def install() -> Path:
    """Build it where it is missing.

    Raises:
        RuntimeError: Go is missing.
    """
    if not folder().is_dir() and shutil.which("go") is None:
        raise RuntimeError("SeaweedFS is built from its Go module, and Go is not installed")
    return built_once(folder(), _make) / "weed"


def _make(half: Path, scratch: Path) -> None:
    replacing_tool(scratch / "weed", f"{_MODULE}@{_MODULE_VERSION}", "weed", half / "weed")


if __name__ == "__main__":
    print(install())
