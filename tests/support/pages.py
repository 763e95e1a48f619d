"""The fences of a page, and a terminal that runs them as a reader would.

A fence that is marked ``excerpt`` behind its language is not meant to run by itself; ``tools/check_docs.py`` wants a test
for every other one.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab.checkout import ROOT

BASH = shutil.which("bash") or "/bin/bash"
LIMIT_S = 300
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.\w+)\n")


@dataclass(frozen=True, slots=True)
class Fence:
    """What stands between two rows of backticks.

    Attributes:
        language: ``bash``, ``python``, ``yaml``.
        text: The lines between.
    """

    language: str
    text: str

    @property
    def file(self) -> str:
        """The name in its first line, ``# name.ext``; empty when there is none."""
        found = FILE.match(self.text)
        return found[1] if found else ""


def fences(page: str, heading: str = "") -> list[Fence]:
    """Read a page's fences but excerpts; with a heading, those below it and before the next one."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if heading:
        text = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [Fence(language, body) for language, body in FENCE.findall(text) if language != "text"]


@dataclass(frozen=True, slots=True)
class Shell:
    """A terminal in a folder, whose PATH begins with the commands of this environment."""

    folder: Path

    def __call__(self, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ASYA_", "AWS_"))}
        path = f"{self.folder}/bin:{Path(sys.executable).parent}:{inherited['PATH']}"
        done = subprocess.run(
            [BASH, "-euo", "pipefail", "-c", script],
            cwd=self.folder, env={**inherited, "PATH": path, **environ}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def follow(self, steps: list[Fence]) -> str:
        """Save the files and run the commands in their order; returns what the commands printed."""
        printed = ""
        for step in steps:
            if step.language == "bash":
                printed += self(step.text).stdout
            else:
                assert step.file, f"which file is this? {step.text[:60]}"
                (self.folder / step.file).write_text(step.text, encoding="utf-8")
        return printed
