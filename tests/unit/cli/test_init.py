"""``asya init``: what it writes, and what it never touches."""

import ast
from pathlib import Path

import pytest
from click.testing import CliRunner

from asya_cli.exit_codes import BadRequest
from asya_cli.init import FILES, GITIGNORE, PULUMI_FILES, class_name, init, write_actor
from asya_manifest.files import read_manifests


def test_a_new_actors_manifest_is_valid_and_leads_to_its_handler(tmp_path: Path):
    """In a folder that was not there."""
    written = write_actor("page-ocr", tmp_path / "deep" / "page-ocr")
    assert sorted(path.name for path in written) == sorted([*FILES, GITIGNORE])
    (declared,) = read_manifests([tmp_path / "deep" / "page-ocr"]).actors
    assert declared.actor.name == "page-ocr"
    handler = ast.parse((tmp_path / "deep" / "page-ocr" / "handler.py").read_text())
    assert [node.name for node in handler.body if isinstance(node, ast.ClassDef)] == ["PageOcr"]
    env = {entry.name: entry.value for entry in declared.actor.spec.workload.template.runtime.env}
    assert env["ASYA_HANDLER"] == "handler.PageOcr.process"


@pytest.mark.parametrize("there", FILES)
def test_nothing_is_overwritten_and_nothing_is_written_beside_it(tmp_path: Path, there: str):
    """All files or none."""
    (tmp_path / there).write_text("mine")
    with pytest.raises(BadRequest, match=f"already holds {there}"):
        write_actor("ocr", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_secrets_and_state_of_this_machine_are_kept_out_of_git_unless_the_folder_says_otherwise(tmp_path: Path):
    write_actor("ocr", tmp_path / "new")
    assert {".asya/", ".env", ".mcp.json"} <= set((tmp_path / "new" / GITIGNORE).read_text().split("\n"))
    (tmp_path / GITIGNORE).write_text("mine\n")
    write_actor("ocr", tmp_path)
    assert (tmp_path / GITIGNORE).read_text() == "mine\n"


def test_the_readme_of_a_program_says_how_it_runs(tmp_path: Path):
    write_actor("ocr", tmp_path, (*FILES, *PULUMI_FILES))
    assert "pulumi up" in (tmp_path / "README.md").read_text()


def test_a_folder_that_cannot_be_written_to_is_an_error_that_says_so(tmp_path: Path):
    """A file is in its place."""
    (tmp_path / "ocr").write_text("mine")
    with pytest.raises(BadRequest, match="cannot be written to"):
        write_actor("ocr", tmp_path / "ocr")


@pytest.mark.parametrize("name", ["Ocr", "1st", "a_b", "a-", "a" * 64, "", "../a", "happy-end", "error-end"])
def test_a_name_that_no_actor_can_have_is_refused(tmp_path: Path, name: str):
    """Before anything is written."""
    answer = CliRunner().invoke(init, [name, "--folder", str(tmp_path / "new")])
    assert answer.exit_code == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("name", "expected"), [("ocr", "Ocr"), ("page-2-ocr", "Page2Ocr"), ("none", "NoneActor")])
def test_the_class_is_named_after_the_actor(name: str, expected: str):
    """Words of Python keep their meaning."""
    assert class_name(name) == expected


@pytest.mark.parametrize("asked", [["--pipeline"], ["--pulumi"], []])
def test_the_command_that_is_suggested_for_a_full_folder_is_the_one_that_was_given(tmp_path: Path, asked: list[str]):
    """Its options, too."""
    (tmp_path / "README.md").write_text("mine")
    answer = CliRunner().invoke(init, ["shop", "--folder", str(tmp_path), *asked])
    assert isinstance(answer.exception, BadRequest)
    assert answer.exception.cure == " ".join(["asya init shop", *asked, "--folder another-folder"])
