"""Finds Python interpreters that work: a name on PATH may be a pyenv shim that only exits with 127.

``python -m lab.installs.pythons`` installs the newest, from another release of Debian.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from lab.installs import debian

NEWEST = "3.14"
SUITE = "forky"
"""The release of Debian that has it."""
WRAPPER = """#!/bin/sh
exec env PYTHONHOME={root}/usr {root}/lib64/ld-linux-x86-64.so.2 --argv0 "$0" \\
  --library-path {root}/usr/lib/x86_64-linux-gnu {root}/usr/bin/python{version} "$@"
"""
"""Runs it with the libraries that it was built for, outside of its root, where it sees every file."""

_FOLDERS = (
    ("~/.pyenv/versions", "*/bin"),
    ("~/.local/share/uv/python", "*/bin"),
    ("/opt/hostedtoolcache/Python", "*/x64/bin"),
)


def install_newest() -> Path:
    """Install the newest where it is missing; its path.

    Raises:
        RuntimeError: It cannot be had here; says why.
    """
    name = f"python{NEWEST}"
    root = debian.install(SUITE, name)
    wrapper = root / name
    wrapper.write_text(WRAPPER.format(root=root, version=NEWEST), encoding="ascii")
    wrapper.chmod(0o755)
    return wrapper


@cache
def find_python(version: str) -> str | None:
    """Path of a working interpreter of a version such as ``3.7``."""
    name = f"python{version}"
    on_path = shutil.which(name)
    candidates = [Path(on_path)] if on_path else []
    candidates += [debian.root_of(SUITE, name) / name]
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


if __name__ == "__main__":
    print(f"python: {install_newest()}")
