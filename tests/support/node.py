"""Node and one npm package, for clients that are not ours: installed once into the cache folder.

``python -m tests.support.node install`` installs Node where it is missing, and the package.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.apt import apt_install

PACKAGE = "@modelcontextprotocol/sdk"
VERSION = "1.32.2"
SCRIPT = Path(__file__).with_name("mcp_client.mjs")


def install() -> Path:
    """Install what is missing; the folder that scripts must run in."""
    if shutil.which("npm") is None:
        apt_install("npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "asya" / f"mcp-sdk-{VERSION}"
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        npm = [
            "npm",
            "install",
            f"{PACKAGE}@{VERSION}",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel=error",
        ]
        subprocess.run(npm, cwd=folder, check=True)
        (folder / "installed").touch()
    return folder


def run_client(url: str, token: str, scenario: str) -> str:
    """Run the npm client against a gateway; what it printed."""
    if shutil.which("npm") is None and not os.environ.get("CI"):
        pytest.skip("no npm here; run: python -m tests.support.node install")
    folder = install()
    script = folder / f"client-{os.getpid()}.mjs"  # imports resolve from the script's own folder
    script.write_text(SCRIPT.read_text())
    try:
        done = subprocess.run(
            [shutil.which("node") or "node", str(script), url, token, scenario],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        script.unlink()
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    if sys.argv[1:] == ["install"]:
        install()
    else:
        sys.exit("usage: python -m tests.support.node install")
