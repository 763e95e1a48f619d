"""Which engine is built, and the folder that holds it; the SDKs of the same set are pinned in pyproject.toml."""

from pathlib import Path
from typing import Final

from lab.built_once import GO, pinned_folder

PULUMI: Final = "3.250.0"
"""The newest that the Go module proxy serves with all its dependencies."""

LANGUAGE_HOST: Final = "3.60.0"
"""The last version of the Python host that is part of the public SDK module."""


def engine_folder() -> Path:
    """The folder of the built engine; everything lies in its ``bin``, as the host looks beside itself."""
    here = Path(__file__).parent
    return pinned_folder(f"pulumi-{PULUMI}", (GO, here / "pins.py", here / "recipe.py"))
