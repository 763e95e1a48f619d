"""The hosts for programs in Pulumi YAML and in TypeScript, each in a folder of its own.

Our programs are Python; what these are for are tests of ``infra/plugin`` from other languages. Bringing an
environment up does not build them. A user's own Pulumi brings its own.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.built_once import GO, built_once, pinned_folder
from lab.engine import pins, recipe
from lab.errors import LabError
from lab.go import tool


@dataclass(frozen=True, slots=True)
class Host:
    """Where a host comes from.

    Attributes:
        package: The command's import path.
        version: Of its Go module.
        stamp: The variable that is set to the version.
    """

    package: str
    version: str
    stamp: str


HOSTS: Final = {
    # The newest that the Go module proxy serves; it asks for 3.206.0 of the engine's modules and needs those to compile.
    "yaml": Host(
        "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml",
        "1.25.0",
        "github.com/pulumi/pulumi-yaml/pkg/version.Version",
    ),
    # As old as the Python host, for the same reason: it runs programs, but cannot generate classes from a schema.
    "nodejs": Host(f"{recipe.SDK}/nodejs/cmd/pulumi-language-nodejs", pins.LANGUAGE_HOST, recipe.SDK_VERSION),
}
"""By the name that ``runtime`` has in Pulumi.yaml."""


def build(language: str) -> Path:
    """Return the folder of a language's host, building it if need be.

    It must be on PATH, where the engine looks for what is not beside it.

    Raises:
        LabError: It is not built yet, and cannot be.
    """
    host, here = HOSTS[language], Path(__file__).parent
    makers = (GO, here / "pins.py", here / "recipe.py", here / "other_hosts.py")
    done = pinned_folder(f"pulumi-language-{language}-{host.version}", makers)
    if not done.is_dir() and shutil.which("go") is None:
        raise LabError(
            f"the {language} host is built with Go, which is not installed: https://go.dev/dl, 1.26 or newer"
        )

    def make(half: Path, scratch: Path) -> None:
        began = time.monotonic()
        binary = half / "bin" / f"pulumi-language-{language}"
        binary.parent.mkdir()
        tool(scratch / language, host.package, host.version, binary, host.stamp)
        print(f"engine: built its {language} host {host.version} in {time.monotonic() - began:.0f} s", flush=True)

    return built_once(done, make) / "bin"
