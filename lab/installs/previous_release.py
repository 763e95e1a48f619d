"""The release before this one, installed from its own commit and its own lock file, beside this checkout.

``python -m lab.installs.previous_release`` installs it before any test waits for it: some 20 seconds the first time.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from lab.built_once import built_once, pinned_folder
from lab.checkout import ROOT
from lab.installs.uv import uv

COMMIT: Final = "8a8dee59f3db9dd454b661ceae2a48e422598b76"
"""No version has a tag yet, so this is the last state of 0.2.0 that a whole verification closed. With the first tag it becomes
that tag's."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release as processes are started of it.

    Attributes:
        name: For a test's words.
        python: The interpreter of its environment.
        tree: Its files: charts, manifests, examples.
    """

    name: str
    python: Path
    tree: Path

    @property
    def runtime(self) -> Path:
        """The one file that goes into users' images."""
        return self.tree / "components/runtime/asya_runtime.py"


THIS: Final = Release("this checkout", Path(sys.executable), ROOT)


def previous_release() -> Release:
    """The release before this one. Skips where the history lacks its commit, which in a whole clone fails where CI is set."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    done = pinned_folder(f"previous-{COMMIT[:7]}-python{version}", [Path(__file__)])
    if not done.is_dir() and not _known():
        reason = f"this checkout's history lacks {COMMIT[:7]}, the previous release: git fetch --unshallow"
        pytest.fail(reason) if os.environ.get("CI") and not _shallow() else pytest.skip(reason)
    tree = built_once(done, _make)
    return Release(f"release {COMMIT[:7]}", tree / ".venv/bin/python", tree)


def _shallow() -> bool:
    asked = subprocess.run(_git("rev-parse", "--is-shallow-repository"), capture_output=True, text=True, check=False)
    return asked.stdout.strip() == "true"


def _known() -> bool:
    return subprocess.run([*_git("cat-file", "-e"), COMMIT], capture_output=True, check=False).returncode == 0


def _make(half: Path, scratch: Path) -> None:
    archive = scratch / "tree.tar"
    subprocess.run([*_git("archive", "--output"), archive, COMMIT], check=True, capture_output=True)
    subprocess.run(["/bin/tar", "-xf", archive, "-C", half], check=True, capture_output=True)
    # Not editable: what is renamed into place afterwards must lead to nothing outside.
    installed = ("--frozen", "--no-default-groups", "--no-editable", "--python", sys.executable)
    uv("sync", "--quiet", "--directory", str(half), *installed)


def _git(*arguments: str) -> list[str]:
    return ["git", "-C", str(ROOT), *arguments]


if __name__ == "__main__":
    print(previous_release().tree)
