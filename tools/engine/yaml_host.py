"""The host for programs in Pulumi YAML, which is a Go module of its own, in a folder of its own.

Our programs are Python; what this one is for are tests of ``infra/plugin`` from another language. So nobody who only brings
an environment up builds it. A user's own Pulumi brings its own.
"""

import shutil
import time
from pathlib import Path
from typing import Final

from tools.built_once import built_once, pinned_folder
from tools.engine import recipe
from tools.engine.errors import EngineError

VERSION: Final = "1.25.0"
"""The newest that the Go module proxy serves; it asks for 3.206.0 of the engine's modules and needs those to compile."""

_MODULE: Final = "github.com/pulumi/pulumi-yaml"


def folder() -> Path:
    """The folder of the built host; it must be on PATH, where the engine looks for what is not beside it."""
    here = Path(__file__).parent
    return pinned_folder(f"pulumi-yaml-{VERSION}", (here / "pins.py", here / "recipe.py", here / "yaml_host.py"))


def build() -> Path:
    """Return the folder with ``pulumi-language-yaml``, building it if need be.

    Raises:
        EngineError: It is not built yet, and cannot be.
    """
    done = folder()
    if not done.is_dir() and shutil.which("go") is None:
        raise EngineError("the YAML host is built with Go, which is not installed: https://go.dev/dl, 1.26 or newer")
    return built_once(done, _make) / "bin"


def _make(half: Path, scratch: Path) -> None:
    began = time.monotonic()
    binary = half / "bin/pulumi-language-yaml"
    binary.parent.mkdir()
    recipe.tool(
        scratch / "yaml",
        f"{_MODULE}/cmd/pulumi-language-yaml",
        VERSION,
        binary,
        f"{_MODULE}/pkg/version.Version",
    )
    print(f"engine: built its YAML host {VERSION} in {time.monotonic() - began:.0f} s", flush=True)
