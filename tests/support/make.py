"""The commands of ``make help`` as a person types them in the checkout."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from lab.checkout import ROOT


def typed(line: str) -> str:
    """What a line such as ``make publish REGISTRY=localhost:5000`` prints; fails with all that it said."""
    words = shlex.split(line)
    environment = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL"}}
    done = subprocess.run(
        [str(shutil.which(words[0])), *words[1:]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def a_stack_s_settings(text: str) -> Iterator[tuple[str, Path]]:
    """Settings of a stack in the checkout, for as long as somebody writes into them: the stack's name, and its file."""
    name = f"tried-{uuid4().hex[:8]}"
    path = ROOT / f"Pulumi.{name}.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        yield name, path
    finally:
        path.unlink()
