"""docs/install.md as its reader types it: files are written where he works, lines go to a shell, and each takes its time."""

import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from tests.support.cluster import ROOT

PAGE: Final = ROOT / "docs/install.md"
REGISTRY: Final = "registry.example/asya"
PASSWORD: Final = "secret"
"""What is typed for every ``...``."""
LIMIT_S: Final = 900
_FENCE: Final = re.compile(r"^```(\w+) excerpt\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE: Final = re.compile(r"# (\S+\.yaml)\n")
_WORD: Final = re.compile(
    r"^ *(?:export \S+\$\()?(helm \w+ \S+|kubectl (?:-n \S+ )?\w+ \S+|pip \S+ \S+|asya\S* \S+)", re.MULTILINE
)


def blocks(heading: str) -> list[tuple[str, str]]:
    """The fenced blocks below a heading, with their language."""
    text = PAGE.read_text(encoding="utf-8")
    part = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [(found[1], found[2]) for found in _FENCE.finditer(part)]


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody at a shell.

    Attributes:
        folder: Where he works.
        environ: The shell's whole environment.
        registry: Stands for the page's own.
        leaves_out: Lines that he does not type.
        took_s: What he typed, by its first command, and the seconds of each.
    """

    folder: Path
    environ: Mapping[str, str]
    registry: str
    leaves_out: re.Pattern[str] | None = None
    took_s: list[tuple[str, float]] = field(default_factory=list)

    def take(self, language: str, text: str) -> str:
        """Write the file, or type the lines; what they printed."""
        text = text.replace(REGISTRY, self.registry).replace("...", PASSWORD)
        if language == "yaml":
            assert all(yaml.safe_load_all(text))
            if name := _FILE.match(text):
                (self.folder / name[1]).write_text(text, encoding="utf-8")
            return ""
        if self.leaves_out is not None:
            text = self.leaves_out.sub("", text)
        began = time.monotonic()
        argv = ["/bin/bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(
            argv, cwd=self.folder, env=dict(self.environ), capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
        named = _WORD.search(text)
        self.took_s.append((named[1] if named else text.partition("\n")[0][:40], time.monotonic() - began))
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def read(self, heading: str) -> str:
        """Take all of a part of the page."""
        return "".join(self.take(language, text) for language, text in blocks(heading))

    @property
    def table(self) -> str:
        """The seconds of each step."""
        lines = [f"{took:7.1f} s  {what}" for what, took in self.took_s]
        return "\n".join([*lines, f"{sum(took for _, took in self.took_s):7.1f} s  in all"])


def command(folder: Path, name: str, program: Path, *, plain: bool = False) -> None:
    """Put a command on a reader's path.

    Args:
        folder: Of his commands.
        name: As he types it.
        program: What it runs.
        plain: It is helm, and the registry of the tests speaks no TLS, which only an argument tells Helm.
    """
    folder.mkdir(exist_ok=True)
    if not plain:
        (folder / name).symlink_to(program)
        return
    (folder / name).write_text(
        f'#!/bin/sh\ncase "$1" in install|upgrade|show|template|pull) set -- "$@" --plain-http;; esac\nexec {program} "$@"\n',
        encoding="utf-8",
    )
    (folder / name).chmod(0o755)


def shell(home: Path, kubeconfig: Path, *folders: Path) -> dict[str, str]:
    """An environment in which nothing of this checkout is to be found, but for what a reader installs."""
    given = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    path = os.pathsep.join([*map(str, folders), "/usr/local/bin", "/usr/bin", "/bin"])
    return {**given, "HOME": str(home), "PATH": path, "LANG": "C.UTF-8", "KUBECONFIG": str(kubeconfig)}
