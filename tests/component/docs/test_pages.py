"""What README.md, docs/handlers.md and the examples' pages tell a reader to save and to type, done as it stands there."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from asya.testing import Actor, Pipeline
from asya_local import mesh
from lab.checkout import ROOT
from lab.servers.localstack import require_server
from tests.support.mesh import short_home
from tests.support.pages import Shell, fences

pytestmark = pytest.mark.xdist_group("localstack-mesh")  # each starts a LocalStack of its own


@pytest.fixture
def shell() -> Iterator[Shell]:
    require_server()
    folder = short_home()
    folder.mkdir(exist_ok=True)
    yield Shell(folder)
    mesh.down(folder / ".asya", print)
    shutil.rmtree(folder, ignore_errors=True)


def test_what_readme_says_runs(shell: Shell):
    said = shell.follow(fences("README.md", "Use it"))
    assert '"translation": "guten Morgen"' in said
    assert '"translation": "Morgen"' in said
    assert "handler" in said
    assert json.loads((shell.folder / ".mcp.json").read_text())["mcpServers"]


def test_the_hello_example_runs(shell: Shell):
    shutil.copyfile(ROOT / "examples/hello/actors.yaml", shell.folder / "actors.yaml")
    assert "Hello you!" in shell.follow(fences("examples/hello/README.md"))


def test_the_batch_of_the_handlers_page_fails_one_payload_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Shell(tmp_path).follow(fences("docs/handlers.md"))
    monkeypatch.syspath_prepend(tmp_path)
    with Pipeline({"answer": Actor("chat.answer"), "spell": Actor("chat.spell")}) as pipeline:
        assert pipeline.run({"n": 1}, route=["answer"]).payload == "T", "its verb named who comes next"
    with Pipeline({"classify": Actor("model.Classifier.predict", batch_size=32)}) as pipeline:
        assert pipeline.run({"word": "cat"}, route=["classify"]).payload == "animal"
        [error] = pipeline.run({"word": "stone"}, route=["classify"]).errors
        assert (error.type, error.message) == ("ValueError", "unknown word stone")
