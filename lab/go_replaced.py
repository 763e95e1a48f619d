"""Programs of Go modules that replace some of their libraries, which ``go install`` refuses to build from outside."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lab.go import compile_program, go, module, source

REPLACED: Final = Path(__file__)
"""Decides, beside ``built_once.GO``, what such a build makes."""


def replacing_tool(
    work: Path, versioned: str, package: str, binary: Path, stamps: Mapping[str, str] | None = None
) -> None:
    """Build one command of a module with the replacements that its own ``go.mod`` names.

    Args:
        work: An empty folder.
        versioned: The module, as ``path@v1.2.3``.
        package: The command's, in the module.
        binary: Where it is put.
        stamps: String variables that are given a value, by their path.

    Raises:
        LabError: A step failed.
    """
    path, _, version = versioned.partition("@")
    module(work)
    tree = source(work, versioned)
    replaced = json.loads(go(work, "mod", "edit", "-json", str(tree / "go.mod"))).get("Replace") or []
    module(work, *(_line(each["Old"], each["New"]) for each in replaced))
    go(work, "get", "-tool", f"{path}/{package}@{version}")
    compile_program(work, f"{path}/{package}", binary, dict(stamps or {}))


def _line(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    named = " ".join(filter(None, (old["Path"], old.get("Version"))))
    return f"replace {named} => {new['Path']} {new['Version']}"
