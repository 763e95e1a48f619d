"""The user's own Python in a real mesh on the memory transport: whose modules, whose interpreter, what is told of them."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asya_local import mesh
from lab.waits import wait_until
from tests.support.mesh import short_home

LIMIT_S = 240.0
ACTOR = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {{name: {name}}}
spec: {{transport: memory, image: x, handler: {handler}, scaling: {{enabled: true, minReplicas: {replicas}, maxReplicas: 1}}}}
---
"""


class Asya:
    """The real command, which finds no module in the current folder, in the user's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = short_home()

    def __call__(self, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ASYA_", "VIRTUAL_ENV"))}
        return subprocess.run(
            [str(Path(sys.executable).with_name("asya")), *words],
            cwd=self.folder,
            env={**inherited, "ASYA_HOME": str(self.home), **environ},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def up(self, *words: str, **environ: str) -> dict[str, Any]:
        answer = self(
            "local", "up", "-f", "actors.yaml", "--transport", "memory", "--no-gateway", "--json", *words, **environ
        )
        assert answer.returncode == 0, answer.stderr
        document: dict[str, Any] = json.loads(answer.stdout)
        return document

    def ask(self, actor: str) -> Any:
        answer = self("send", actor, "--payload", "{}", "--wait", "--timeout", "120s")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)


@pytest.fixture
def asya(tmp_path: Path) -> Iterator[Asya]:
    """A command in a folder of the user's; its mesh comes down at the end."""
    command = Asya(tmp_path)
    yield command
    assert command("local", "down").returncode == 0


def test_nothing_of_ours_goes_before_the_users_modules_and_nothing_of_theirs_into_our_processes(asya: Asya):
    """A folder named like one of ours, with or without ``__init__``; files and a PYTHONPATH with names of our libraries."""
    asya.write("handlers/ocr.py", "import msgspec\ndef process(p): return {'mine': msgspec.MINE}\n")
    asya.write("actors.yaml", ACTOR.format(name="ocr", handler="handlers.ocr.process", replicas=1))
    asya.write("asya_sidecar.py", "raise RuntimeError('this is not the sidecar')\n")
    asya.write("psutil.py", "raise RuntimeError('this is not psutil')\n")
    stray = asya.write("path/msgspec.py", "MINE = True\nclass Struct: pass\n")
    with pytest.MonkeyPatch.context() as patch:
        # As `up` would find it that is called by another program: its own modules are loaded, its environment is the user's.
        patch.setenv("PYTHONPATH", str(stray.parent))
        patch.chdir(asya.folder)
        options = mesh.UpOptions((asya.folder / "actors.yaml",), "memory", asya.home, gateway=False)
        mesh.up(options, print)
        assert mesh.find_unloadable(asya.home) == {}
    assert asya.ask("ocr") == {"mine": True}


def test_the_environment_beside_the_code_runs_its_handlers_and_status_and_doctor_say_so(asya: Asya):
    """It has none of our packages; the crew runs on ours."""
    venv.create(asya.folder / ".venv", symlinks=True)
    asya.write("which.py", "import sys\ndef handle(p): return {'prefix': sys.prefix}\n")
    asya.write("actors.yaml", ACTOR.format(name="which", handler="which.handle", replicas=0))
    asya.up()
    assert asya.ask("which") == {"prefix": str(asya.folder / ".venv")}
    chosen = f"{asya.folder}/.venv/bin/python (.venv of the code's folder)"
    status = asya("local", "status")
    assert f"python of which: {chosen}" in status.stderr
    assert "(Asya's own)" in status.stderr
    assert chosen in asya("doctor").stdout


def test_handlers_that_cannot_be_loaded_are_told_when_the_mesh_comes_up(asya: Asya):
    """Whether they have replicas or none yet; the good one is not."""
    asya.write("good.py", "def handle(p): return p\n")
    asya.write("torchless.py", "import torch_that_is_not_here\n")
    handlers = [("good", "good.handle", 0), ("absent", "good.handel", 0), ("torchless", "torchless.handle", 1)]
    manifest = "".join(ACTOR.format(name=name, handler=handler, replicas=count) for name, handler, count in handlers)
    asya.write("actors.yaml", manifest)
    unloadable = asya.up()["unloadable"]
    assert set(unloadable) == {"absent", "torchless"}
    assert "has no attribute handel" in unloadable["absent"]
    assert "No module named 'torch_that_is_not_here'" in unloadable["torchless"]
    assert "pip install torch_that_is_not_here" in unloadable["torchless"]

    def told() -> bool:
        (absent,) = (actor for actor in mesh.status(asya.home).actors if actor.name == "absent")
        return absent.status == "RuntimeError" and "did you mean 'handle'?" in absent.message

    wait_until(told, 30, "the status tells what up has found")
