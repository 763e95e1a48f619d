"""Finds Python interpreters that work: a name on PATH may be a pyenv shim that only exits with 127.

``python -m lab.installs.pythons`` installs the newest, from another release of Debian; with more arguments it runs a module
under it, with what ``uv.lock`` names: ``python -m lab.installs.pythons pytest tests/unit/sidecar``.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import pytest

from lab.built_once import built_once, pinned_folder
from lab.checkout import ROOT
from lab.installs import debian
from lab.installs.uv import uv

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


def run_newest(*arguments: str) -> int:
    """Run a module under the newest, with the rooms of this checkout and the packages of its lock; its exit code."""
    packages = built_once(
        pinned_folder(f"python{NEWEST}-packages", [ROOT / "uv.lock", Path(__file__)]), _install_packages
    )
    rooms = [str(path.parent) for path in sorted(ROOT.glob("*/*/pyproject.toml"))]
    # The end of the path is looked at for nothing but the rooms' own metadata.
    path = os.pathsep.join([*rooms, str(ROOT), str(packages), sysconfig.get_path("purelib")])
    argv = [str(install_newest()), "-m", *arguments]
    return subprocess.run(argv, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, check=False).returncode


def _install_packages(half: Path, scratch: Path) -> None:
    wanted = scratch / "requirements.txt"
    uv("export", "--frozen", "--quiet", "--no-emit-workspace", "--no-hashes", f"--output-file={wanted}")
    where = [f"--python-version={NEWEST}", "--only-binary=:all:", f"--target={half}"]
    uv("pip", "install", "--quiet", *where, f"--requirement={wanted}")


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
    if sys.argv[1:]:
        sys.exit(run_newest(*sys.argv[1:]))
    print(f"python: {install_newest()}")
