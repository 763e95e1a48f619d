"""The real Pulumi provider for Kubernetes, built from its Go module: what ``make e2e-stack`` applies with.

The module has everything but the command's two generated files, so the command is written here, around the schema that the
module ships. Cold it takes about half an hour of one core; the folder is kept like every other build.
"""

import json
import shutil
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

from lab.built_once import GO, built_once, pinned_folder
from lab.errors import LabError
from lab.go import compile_program, go, module, source

MODULE: Final = "github.com/pulumi/pulumi-kubernetes/provider/v4"
VERSION: Final = "4.0.0-20260115033456-f47bc2d6f199"
"""A snapshot of the provider's sources, older than 4.29: it creates objects by server-side apply, later ones by POST."""

_MAIN: Final = f"""package main

import (
	_ "embed"

	"{MODULE}/pkg/provider"
	"{MODULE}/pkg/version"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var mapping []byte

func main() {{ provider.Serve("kubernetes", version.Version, schema, mapping) }}
"""


def sdk_version() -> str:
    """The version that the engine asks for, which is that of the SDK in use."""
    return version("pulumi-kubernetes")


def folder() -> Path:
    """Where the provider is once it is built."""
    return pinned_folder(f"pulumi-resource-kubernetes-{sdk_version()}", (GO, Path(__file__)))


def build() -> Path:
    """Return the provider's folder, building it if need be.

    Raises:
        LabError: It is not built yet, and cannot be.
    """
    done = folder()
    if not done.is_dir():
        if shutil.which("go") is None:
            raise LabError("the provider for Kubernetes is built with Go, which is not installed: https://go.dev/dl")
        print(f"engine: building the provider for Kubernetes into {done}; cold this takes half an hour", flush=True)
    return built_once(done, _make)


def _make(half: Path, scratch: Path) -> None:
    began = time.monotonic()
    module(scratch)
    go(scratch, "get", f"{MODULE}@v{VERSION}")
    shipped = source(scratch, f"{MODULE}@v{VERSION}") / "cmd/pulumi-resource-kubernetes"
    schema = json.loads((shipped / "schema.json").read_text(encoding="utf-8")) | {"version": sdk_version()}
    (scratch / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    (scratch / "terraform-mapping.json").write_bytes((shipped / "terraform-mapping.json").read_bytes())
    (scratch / "main.go").write_text(_MAIN, encoding="utf-8")
    stamps = {f"{MODULE}/pkg/version.Version": sdk_version()}
    compile_program(scratch, ".", half / "pulumi-resource-kubernetes", stamps)
    print(f"engine: built the provider for Kubernetes in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    print(build())
