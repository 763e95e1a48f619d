"""uv, as `make setup` found or installed it: locks, exports, builds and installs packages."""

import os
import shutil
import subprocess

from lab.built_once import cache_root
from lab.checkout import ROOT
from lab.errors import LabError


def uv(*arguments: str) -> str:
    """Run it at the top of the checkout; what it printed.

    Raises:
        LabError: It is not here, or failed; holds its own last words.
    """
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run([_find(), *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"uv {' '.join(arguments)}: {done.stderr.strip()[-1500:]}")
    return done.stdout


def _find() -> str:
    found = shutil.which("uv") or next(map(str, sorted(cache_root().glob("uv-*/bin/uv"), reverse=True)), None)
    if found is None:
        raise LabError("uv is not here: make setup")
    return found
