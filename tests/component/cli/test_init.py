"""The first quarter of an hour with Asya: a new actor, its own test, a mesh that runs it, a look at it, an edit."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from asya_cli.build import is_usable
from tests.support.command_line import Said

LIMIT_S = 240


@dataclass(frozen=True, slots=True)
class Shell:
    """Commands of a README, run in the actor's folder."""

    folder: Path

    def __call__(self, command: str) -> Said:
        words = shlex.split(command, comments=True)
        own = {"asya": [sys.executable, "-c", "from asya_cli.main import main; main()"], "python": [sys.executable]}
        # The rules of this repository's own tests must not decide over the user's.
        environment = {**os.environ, "PYTEST_ADDOPTS": "-p no:cacheprovider"}
        done = subprocess.run(
            [*own[words[0]], *words[1:]],
            cwd=self.folder, capture_output=True, text=True, timeout=LIMIT_S, env=environment, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell in the folder of a new actor; its mesh comes down at the end."""
    made = Shell(tmp_path)("asya init page-ocr")
    assert (made.code, "page-ocr/handler.py" in made.out) == (0, True)
    in_folder = Shell(tmp_path / "page-ocr")
    yield in_folder
    assert in_folder("asya local down").code == 0


def test_a_new_actor_passes_its_test_runs_and_follows_its_edits(shell: Shell):
    """The three commands of its own README, as they stand there; then top, and an edit."""
    commands = (shell.folder / "README.md").read_text().split("```bash\n")[1].split("```")[0].splitlines()
    assert len(commands) == 3
    test, up, send = commands
    tested = shell(test)
    assert (tested.code, "3 passed" in tested.out) == (0, True), tested
    assert shell(up).code == 0
    sent = shell(send)
    assert (sent.code, "Hello you!" in sent.out) == (0, True), sent

    table = shell("asya top --once")
    assert table.code == 0
    columns, *rows = table.out.splitlines()
    assert columns.split() == ["ACTOR", "STATUS", "REPLICAS", "QUEUED", "IN-FLIGHT", "RATE", "P50", "OLDEST"]
    assert {row.split()[0] for row in rows} == {"page-ocr", "happy-end", "error-end", "fan-in"}
    document = json.loads(shell("asya top --json").out)
    (ocr,) = [actor for actor in document["actors"] if actor["name"] == "page-ocr"]
    assert {"rate", "p50_s", "oldest_s", "queued", "in_flight"} <= set(ocr)

    code = shell.folder / "handler.py"
    code.write_text(code.read_text().replace('"Hello"', '"Good morning"'))
    deadline = time.monotonic() + LIMIT_S
    while "Good morning you!" not in (answer := shell(send)).out:
        assert time.monotonic() < deadline, answer

    code.write_text("mine")
    again = shell("asya init page-ocr --folder .")
    assert (again.code, code.read_text()) == (2, "mine")
    assert "nothing is overwritten" in again.err


def test_top_without_a_mesh_says_how_to_get_one(tmp_path: Path):
    """As every command that needs one."""
    answer = Shell(tmp_path)("asya top --once")
    assert answer.code == 3
    assert "asya local up" in answer.err


def test_a_new_pipeline_passes_its_test_and_runs_as_it_is(tmp_path: Path):
    """The commands of its own README, as they stand there."""
    assert Shell(tmp_path)("asya init pages --pipeline").code == 0
    shell = Shell(tmp_path / "pages")
    commands = (shell.folder / "README.md").read_text().split("```bash\n")[1].split("```")[0].splitlines()
    tested, up, called, sent = commands
    try:
        test = shell(tested)
        assert (test.code, "2 passed" in test.out) == (0, True), test
        assert shell(up).code == 0
        call = shell(called)
        assert (call.code, json.loads(call.out)) == (0, {"top": ["cat", "dog"], "words": 3}), call
        send = shell(sent)
        assert (send.code, json.loads(send.out)["top"]) == (0, ["cat"]), send
    finally:
        assert shell("asya local down").code == 0


def test_the_image_of_a_pipeline_holds_its_handlers(tmp_path: Path):
    """Built by whichever builder is here; on an empty base, for no registry is."""
    builder = next((name for name in ("buildah", "podman", "docker") if is_usable(name)), None)
    if builder is None:
        pytest.skip("no builder of images is installed")
    assert Shell(tmp_path)("asya init pages --pipeline").code == 0
    shell = Shell(tmp_path / "pages")
    built = shell(f"asya build --builder {builder} --base scratch -t asya-test-pages:1 --json")
    assert (built.code, json.loads(built.out)) == (0, {"image": "asya-test-pages:1", "builder": builder}), built
    subprocess.run([builder, "rmi", "asya-test-pages:1"], check=True, capture_output=True)
