"""How the engine and its Python host are built from their Go modules."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from lab.engine import pins
from lab.engine.errors import EngineError

_ENGINE: Final = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
SDK: Final = "github.com/pulumi/pulumi/sdk/v3"
_HOST: Final = f"{SDK}/python/cmd/pulumi-language-python"
# The Automation API refuses an engine that does not know its own version.
SDK_VERSION: Final = f"{SDK}/go/common/version.Version"
_SHIMS: Final = (
    "cmd/pulumi-language-python-exec",
    "dist/pulumi-resource-pulumi-python",
    "dist/pulumi-analyzer-policy-python",
)
"""Scripts of the same module that must lie beside the host: its executor, dynamic providers, policy packs."""


def make(half: Path, scratch: Path) -> None:
    """Fill ``half/bin``, where the Automation API looks, with the engine, the host and its shims."""
    binaries = half / "bin"
    binaries.mkdir()
    began = time.monotonic()
    tool(scratch / "engine", _ENGINE, pins.PULUMI, binaries / "pulumi", SDK_VERSION)
    print(f"engine: built pulumi {pins.PULUMI} in {time.monotonic() - began:.0f} s", flush=True)
    began = time.monotonic()
    work = scratch / "host"
    tool(work, _HOST, pins.LANGUAGE_HOST, binaries / "pulumi-language-python", SDK_VERSION)
    source = Path(json.loads(_go(work, "mod", "download", "-json", f"{SDK}@v{pins.LANGUAGE_HOST}"))["Dir"])
    for shim in _SHIMS:
        copy = binaries / Path(shim).name
        shutil.copyfile(source / "python" / shim, copy)  # A link would make the host look beside the link's target.
        copy.chmod(0o755)
    print(f"engine: built its Python host {pins.LANGUAGE_HOST} in {time.monotonic() - began:.0f} s", flush=True)


def tool(work: Path, package: str, version: str, binary: Path, stamp: str) -> None:
    """Build one command of a Go module.

    Args:
        work: A folder that does not exist yet, for the module that asks for it.
        package: The command's import path.
        version: Of the module, without ``v``.
        binary: What is made.
        stamp: The variable that is told the version.

    Raises:
        EngineError: Go failed.
    """
    work.mkdir()
    (work / "go.mod").write_text(f"module tools\ngo {pins.GO_LANGUAGE}\n", encoding="utf-8")
    _go(work, "get", "-tool", f"{package}@v{version}")
    _go(work, "build", f"-ldflags=-s -w -X {stamp}=v{version}", "-o", str(binary), package)


def _go(work: Path, *arguments: str) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
    done = subprocess.run(["go", *arguments], cwd=work, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EngineError(f"go {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout
