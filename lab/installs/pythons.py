"""Finds Python interpreters that work: a name on PATH may be a pyenv shim that only exits with 127."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

_FOLDERS = (
    ("~/.pyenv/versions", "*/bin"),
    ("~/.local/share/uv/python", "*/bin"),
    ("/opt/hostedtoolcache/Python", "*/x64/bin"),
)


@cache
def find_python(version: str) -> str | None:
    """Path of a working interpreter of a version such as ``3.7``."""
    name = f"python{version}"
    on_path = shutil.which(name)
    candidates = [Path(on_path)] if on_path else []
    for folder, pattern in _FOLDERS:
        candidates += sorted(Path(folder).expanduser().glob(f"{pattern}/{name}"))
    return next((str(path) for path in candidates if _works(path, version)), None)


def _works(path: Path, version: str) -> bool:
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([path, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.strip() == version


def require_python(version: str) -> str:
    """The interpreter, or a skip that says what is missing; with ``CI`` set a failure."""
    path = find_python(version)
    if path is None:
        reason = f"no working python{version} on PATH, in pyenv's or in uv's folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
