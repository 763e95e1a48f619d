"""Wheels of every distribution, and a list of what each image consists of."""

import re
import zipfile
from pathlib import Path
from typing import Final

from lab.errors import LabError
from lab.images.catalogue import IMAGES
from lab.installs.uv import uv

OWN: Final = re.compile(r"asya|asya_[a-z_]+")
"""What our wheels may put at the top of somebody's environment."""


def build_wheels(folder: Path) -> list[Path]:
    """Build a wheel of every distribution of the workspace.

    Raises:
        LabError: One cannot be built, or would install a module that is not ours.
    """
    uv("build", "--all-packages", "--wheel", "--quiet", "--no-create-gitignore", "--out-dir", str(folder))
    wheels = sorted(folder.glob("*.whl"))
    for wheel in wheels:
        strangers = [name for name in top_level(wheel) if not OWN.fullmatch(name)]
        if strangers:
            raise LabError(
                f"{wheel.name} would install {', '.join(strangers)}, which is not ours: see its pyproject.toml"
            )
    return wheels


def top_level(wheel: Path) -> list[str]:
    """What a wheel puts at the top of an environment, without its own records."""
    with zipfile.ZipFile(wheel) as archive:
        first = {Path(name).parts[0] for name in archive.namelist()}
    return sorted(Path(name).stem for name in first if not name.endswith(".dist-info"))


def write_bills(folder: Path) -> list[Path]:
    """Write what each image's packages are, as CycloneDX 1.5 (https://cyclonedx.org), by the lock file.

    What the base image has beside them is its maker's to say.
    """
    made = []
    for image in IMAGES:
        path = folder / f"{image.name}.cdx.json"
        extras = [part for extra in image.extras for part in ("--extra", extra)]
        chosen = ("--package", image.name, *extras, "--format", "cyclonedx1.5", "--output-file", str(path))
        uv("export", "--quiet", "--frozen", "--no-dev", "--preview-features", "sbom-export", *chosen)
        made.append(path)
    return made
