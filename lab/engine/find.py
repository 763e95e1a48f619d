"""Choose the engine: what is on PATH when it is new enough, else the pinned one, built if need be."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from lab.built_once import built_once
from lab.engine import pins, recipe
from lab.errors import LabError

_INSTALL: Final = (
    "install Pulumi (https://www.pulumi.com/docs/install/), or Go 1.26 or newer (https://go.dev/dl) to build it"
)


def version_of(text: str) -> tuple[int, int, int] | None:
    """Read ``pulumi version``'s answer; ``None`` when it is no version."""
    found = re.search(r"v?(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def serves(found: tuple[int, int, int] | None) -> bool:
    """Whether an engine can run our programs: the pinned version or newer, of the same major version.

    An engine serves SDKs older than itself; one that is older does not understand its SDK.
    """
    pinned = version_of(pins.PULUMI)
    return found is not None and pinned is not None and found[0] == pinned[0] and found >= pinned


def find() -> Path:
    """Return the folder that holds ``pulumi``, from PATH or the cache, building it where it is missing.

    Raises:
        LabError: There is no usable engine, and no Go to build it.
    """
    on_path = shutil.which("pulumi")
    if on_path is not None and serves(_asked(on_path)):
        return Path(on_path).parent
    return build(f"pulumi on PATH is older than {pins.PULUMI}" if on_path else "the pulumi command is not on PATH")


def build(why: str = "asked to") -> Path:
    """Return the folder of the pinned engine, building it if need be.

    Raises:
        LabError: It is not built yet, and cannot be.
    """
    done = pins.engine_folder()
    if done.is_dir():
        return done / "bin"
    if shutil.which("go") is None:
        raise LabError(f"{why}, and Go is not installed either; {_INSTALL}")
    print(
        f"engine: {why}; building pulumi {pins.PULUMI} into {done}, once; cold this takes about 4 minutes", flush=True
    )
    return built_once(done, recipe.make) / "bin"


def _asked(binary: str) -> tuple[int, int, int] | None:
    try:
        answer = subprocess.run([binary, "version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return version_of(answer.stdout) if answer.returncode == 0 else None
