"""A policy pack as the pinned engine can run it.

Since some version, engines ask the host of the pack's language to run the pack. The Python host that can be built here is
older and runs the *program* instead. For a language without a host, engines still look for ``pulumi-analyzer-policy-NAME`` on
PATH. So a copy of the pack names a language of that sort, and its runner is the shim that comes with the host. The pack's
code, the SDK that serves it and the engine that asks are the real ones.
"""

import shutil
from pathlib import Path
from typing import Final

from tests.support.pulumi_project import Project

_LANGUAGE: Final = "python-by-shim"


def runnable_pack(source: Path, project: Project, folder: Path) -> str:
    """Copy a pack into ``folder`` so that a project's engine can run it; returns the path to name in ``policy_packs``."""
    copy = Path(shutil.copytree(source, folder / "policies", ignore=shutil.ignore_patterns("__pycache__")))
    settings = copy / "PulumiPolicy.yaml"
    text = settings.read_text(encoding="utf-8")
    assert "runtime: python\n" in text, f"{source} is no pack in Python"
    settings.write_text(text.replace("runtime: python\n", f"runtime: {_LANGUAGE}\n"), encoding="utf-8")
    runners = folder / "runners"
    runners.mkdir()
    shim = runners / f"pulumi-analyzer-policy-{_LANGUAGE}"
    shutil.copyfile(project.engine / "pulumi-analyzer-policy-python", shim)
    shim.chmod(0o755)
    project.environment["PATH"] = f"{runners}:{project.environment['PATH']}"
    return str(copy)
