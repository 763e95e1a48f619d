"""Amazon's own command line, in an environment of its own: its pins fight the project's.

``python -m lab.installs.aws_cli`` installs it before a test waits for it.
"""

import os
import subprocess
import sys
from pathlib import Path

from lab.built_once import cache_root

VERSION = "1.46.3"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def aws(endpoint: str, *arguments: str) -> str:
    """Run ``aws`` against an endpoint; returns what it printed.

    Raises:
        AssertionError: It failed; holds its own words.
    """
    argv = [str(_install() / "bin" / "aws"), "--endpoint-url", endpoint, "--output", "json", *arguments]
    done = subprocess.run(
        argv, env={**os.environ, **CREDENTIALS}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"aws {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def _install() -> Path:
    folder = cache_root() / f"awscli-{VERSION}"
    if not (folder / "installed").exists():
        python = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"awscli=={VERSION}"], check=True)
        (folder / "installed").touch()
    return folder


if __name__ == "__main__":
    _install()
