"""How the engine and its Python host are built from their Go modules."""

import shutil
import time
from pathlib import Path
from typing import Final

from lab.engine import pins
from lab.go import source, tool

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
    sdk = source(work, f"{SDK}@v{pins.LANGUAGE_HOST}")
    for shim in _SHIMS:
        copy = binaries / Path(shim).name
        shutil.copyfile(sdk / "python" / shim, copy)  # A link would make the host look beside the link's target.
        copy.chmod(0o755)
    print(f"engine: built its Python host {pins.LANGUAGE_HOST} in {time.monotonic() - began:.0f} s", flush=True)
