"""Programs built from their Go modules, each in a module of its own that asks for them."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from lab.errors import LabError

LANGUAGE: Final = "1.26"
"""What the generated go.mod files ask for; a newer Go does, an older one fetches this toolchain by itself."""


def go(work: Path, *arguments: str) -> str:
    """Run the go command in a folder, and return what it printed.

    Raises:
        LabError: It failed.
    """
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
    done = subprocess.run(["go", *arguments], cwd=work, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"go {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def module(work: Path, *lines: str) -> None:
    """Begin a module with further lines in its go.mod; makes the folder."""
    work.mkdir(exist_ok=True)
    (work / "go.mod").write_text("\n".join(["module tools", f"go {LANGUAGE}", *lines]) + "\n", encoding="utf-8")


def source(work: Path, versioned: str) -> Path:
    """Return the folder of a downloaded module, ``path@version``."""
    return Path(json.loads(go(work, "mod", "download", "-json", versioned))["Dir"])


def compile_program(work: Path, package: str, binary: Path, stamps: dict[str, str] | None = None) -> None:
    """Compile one command; ``stamps`` are string variables that are given a value, by their path."""
    flags = "".join(f" -X {variable}={value}" for variable, value in (stamps or {}).items())
    go(work, "build", f"-ldflags=-s -w{flags}", "-o", str(binary), package)


def tool(work: Path, package: str, version: str, binary: Path, stamp: str | None = None) -> None:
    """Build one command of a published module; ``stamp`` is the variable that is set to its version, without the ``v``."""
    module(work)
    go(work, "get", "-tool", f"{package}@v{version}")
    compile_program(work, package, binary, {stamp: f"v{version}"} if stamp else None)
