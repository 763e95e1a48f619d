"""``python -m tools.lock_stand_ins``: resolve the stand-ins for AWS anew, with a hash for every file, into asya_local/locked.

Needs uv and a package index; not part of any check, since what is newest changes from day to day.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from asya_local.localstack import LOCKED, PINS, SUPPORTED, Kind, cache_folder, find_uv
from lab.installs.pythons import find_python

_PROJECT: Final = """[project]
name = "stand-in"
version = "0"
requires-python = "{python}"
dependencies = {pins}
"""


def main() -> None:
    """Write both files."""
    uv = find_uv(cache_folder())
    if uv is None:
        sys.exit("lock: uv is not here; run: make setup")
    for kind in PINS:
        LOCKED[kind].write_text(resolve(uv, kind), encoding="utf-8")
        print(f"{LOCKED[kind]}: written")


def resolve(uv: str, kind: Kind) -> str:
    """Every package that a stand-in needs on any system, each with the hashes of its files."""
    with tempfile.TemporaryDirectory(prefix="asya-lock-") as folder:
        project = _PROJECT.format(python=SUPPORTED[kind], pins=list(PINS[kind]))
        Path(folder, "pyproject.toml").write_text(project, encoding="utf-8")
        python = str(find_python("3.12") or sys.executable)
        subprocess.run([uv, "lock", "--quiet", "--python", python], cwd=folder, check=True)
        argv = [uv, "export", "--quiet", "--locked", "--no-emit-project", "--no-header", "--no-annotate"]
        return subprocess.run(
            [*argv, "--python", python], cwd=folder, check=True, capture_output=True, text=True
        ).stdout


if __name__ == "__main__":
    main()
