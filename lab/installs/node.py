"""Node and npm packages, for clients and programs that are not ours: installed once into the cache folder.

``python -m lab.installs.node install`` installs Node where it is missing, and the MCP client; ``pulumi`` instead of
``install`` Pulumi's SDK, where there is Node or where it must be.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.built_once import built_once, cache_root
from lab.engine import pins
from lab.installs.apt import apt_install

PACKAGE = "@modelcontextprotocol/sdk"
VERSION = "1.32.2"
TYPESCRIPT = "5.9.3"
SCRIPT = Path(__file__).with_name("mcp_client.mjs")


def install() -> Path:
    """Install what is missing; the folder that scripts must run in."""
    if shutil.which("npm") is None:
        apt_install("npm")
    done = cache_root() / f"npm-mcp-sdk-{VERSION}"
    return built_once(done, lambda half, _: _npm_install(half, f"{PACKAGE}@{VERSION}"))


def install_pulumi() -> Path:
    """The ``node_modules`` with Pulumi's SDK at the engine's version, and TypeScript; installed if need be."""
    if shutil.which("npm") is None:
        if not os.environ.get("CI"):
            pytest.skip("no npm here; run: python -m lab.installs.node install")
        apt_install("npm")
    packages = (f"@pulumi/pulumi@{pins.PULUMI}", f"typescript@{TYPESCRIPT}")
    done = cache_root() / f"pulumi-npm-{pins.PULUMI}-{TYPESCRIPT}"
    return built_once(done, lambda half, _: _npm_install(half, *packages)) / "node_modules"


def _npm_install(folder: Path, *packages: str) -> None:
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    subprocess.run([shutil.which("npm") or "npm", "install", *packages, *options], cwd=folder, check=True)


def run_client(url: str, token: str, scenario: str) -> str:
    """Run the npm client against a gateway; what it printed."""
    if shutil.which("npm") is None and not os.environ.get("CI"):
        pytest.skip("no npm here; run: python -m lab.installs.node install")
    folder = install()
    script = folder / f"client-{os.getpid()}.mjs"  # imports resolve from the script's own folder
    script.write_text(SCRIPT.read_text())
    try:
        done = subprocess.run(
            [shutil.which("node") or "node", str(script), url, token, scenario],
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
    finally:
        script.unlink()
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    if sys.argv[1:] == ["install"]:
        install()
    elif sys.argv[1:] == ["pulumi"]:
        if shutil.which("npm") is not None or os.environ.get("CI"):
            install_pulumi()
    else:
        sys.exit("usage: python -m lab.installs.node install|pulumi")
