"""The program of this repository as a project for stack tests."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pulumi import automation

from lab.checkout import ROOT
from lab.pulumi_standins.kubernetes.recorder import recorded
from tests.support.pulumi_project import Project

NOBODY: Final = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "recorded", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "nobody", "user": {"token": "none"}}],
    "contexts": [{"name": "recorded", "context": {"cluster": "recorded", "user": "nobody"}}],
    "current-context": "recorded",
}
"""A kubeconfig that leads nowhere, for stacks whose objects are recorded."""

Run = Callable[..., tuple[Project, automation.Stack]]
"""Takes an environment's name, settings and secrets; returns its project and stack."""


def program_folder(tmp_path: Path) -> Path:
    """The program and its environments, without the rest of the checkout; packages come from the virtual environment."""
    folder = tmp_path / "program"
    folder.mkdir()
    for path in ROOT.glob("Pulumi*.yaml"):
        shutil.copyfile(path, folder / path.name)
    (folder / "infra").mkdir()
    shutil.copyfile(ROOT / "infra/__main__.py", folder / "infra/__main__.py")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def kinds(project: Project) -> dict[str, list[str]]:
    """The recorded objects' names by kind."""
    found: dict[str, list[str]] = {}
    for thing in recorded(project.recorded):
        found.setdefault(thing["kind"], []).append(thing["metadata"]["name"])
    return found


def count(changes: Any) -> int:
    """How many resources a summary of changes speaks of."""
    return sum((changes or {}).values())
