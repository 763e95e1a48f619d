"""A real Chromium for tests of pages: the distribution's, or Playwright's own where it can be fetched.

``python -m lab.installs.chromium install`` gets one where there is none: from the distribution's package, else into
Playwright's cache, outside this checkout.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from lab.installs.apt import apt_install

PACKAGE: Final = "chromium"
NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HINT: Final = "no Chromium here; run: python -m lab.installs.chromium install"
FLAGS: Final = (
    "--no-sandbox",  # it refuses to sandbox as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_browser() -> str | None:
    """Find an executable."""
    on_path = (shutil.which(name) for name in NAMES)
    return next(filter(None, [*on_path, *map(str, _fetched())]), None)


def install() -> None:
    """Get one where there is none.

    Raises:
        RuntimeError: It cannot be had here; says why.
    """
    if find_browser() is not None:
        return
    try:
        apt_install(PACKAGE)
    except RuntimeError as exc:
        fetched = subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
        if fetched.returncode != 0:
            raise RuntimeError(f"{exc}; and Playwright could not fetch it either") from exc


def require_browser() -> str:
    """Find one; where there is none, skip, or fail where CI is set, because there it must be."""
    found = find_browser()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(HINT)
        pytest.skip(HINT)
    return found


def _fetched() -> Iterator[Path]:
    """Executables that Playwright has fetched, newest first."""
    named = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    mac = Path.home() / "Library/Caches/ms-playwright"
    for folder in [Path(named)] if named else [Path.home() / ".cache/ms-playwright", mac]:
        for pattern in ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/*.app/Contents/MacOS/*"):
            yield from sorted(folder.glob(pattern), reverse=True)


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit("usage: python -m lab.installs.chromium install")
    try:
        install()
    except RuntimeError as problem:
        sys.exit(f"chromium: {problem}")
    print(f"chromium: {find_browser()}")
