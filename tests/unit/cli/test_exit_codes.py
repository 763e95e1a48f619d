"""Every error ends as one line of cause, one of cure and an exit code that a script can act on."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from asya_cli.console import Console, align
from asya_cli.exit_codes import (
    BadRequest,
    CommandError,
    ExitCode,
    MeshNotRunning,
    NotFound,
    TimedOut,
    translate,
)
from asya_cli.main import asya
from asya_local.errors import MeshError
from asya_protocol.errors import (
    AsyaError,
    EnvelopeTooLarge,
    InvalidEnvelope,
    QueueMissing,
    SettingsError,
    TransportUnavailable,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("x"), ExitCode.FAILED),
        (BadRequest("x"), ExitCode.USAGE),
        (MeshNotRunning("x"), ExitCode.UNREACHABLE),
        (TimedOut("x"), ExitCode.TIMED_OUT),
        (TransportUnavailable("x"), ExitCode.UNREACHABLE),
        (QueueMissing("x"), ExitCode.FAILED),
        (EnvelopeTooLarge(9, 8), ExitCode.USAGE),
        (InvalidEnvelope("x"), ExitCode.USAGE),
        (SettingsError("ASYA_X", "x"), ExitCode.USAGE),
        (MeshError("x"), ExitCode.FAILED),
        (AsyaError("x"), ExitCode.FAILED),
        (KeyError("x"), ExitCode.FAILED),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error, code):
    assert translate(error).exit_code == code


def test_an_error_is_one_line_of_cause_and_one_of_cure(capsys):
    Console().error(MeshNotRunning("no mesh is running in .asya", "asya local up -f actors.yaml"))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "error: no mesh is running in .asya\n  try: asya local up -f actors.yaml\n"


def test_with_json_an_error_is_a_document_on_stdout(capsys):
    Console(as_json=True).error(CommandError("broken"))
    assert json.loads(capsys.readouterr().out) == {"error": "broken", "cure": None, "exit_code": 1}


def test_columns_are_aligned_in_plain_text():
    assert align([["ACTOR", "QUEUED"], ["ocr", "12"]]) == ["ACTOR  QUEUED", "ocr    12"]


@pytest.mark.parametrize(
    "words",
    [
        "local status", "local mcp", "local logs", "local logs ocr", "top --once", "send ocr --payload {}", "result x",
        "tools", "tools read", "call read", "status x", "stream x", "wait x", "cancel x", "replay x", "replay --failed",
        "why x", "logs x", "dlq ls", "dlq ls ocr", "dlq show ocr x", "dlq redrive ocr", "dlq purge ocr --yes",
        "limits", "pause llm", "resume llm",
    ],
)  # fmt: skip
@pytest.mark.parametrize("ended", [False, True], ids=["never was", "has ended"])
def test_every_command_that_needs_a_mesh_says_so_with_the_same_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, ended: bool
) -> None:
    for name in [name for name in os.environ if name.startswith("ASYA_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    if ended:
        home.mkdir()
        (home / "limits.db").touch()
    answer = CliRunner().invoke(asya, [*words.split(), "--home", str(home)])
    assert isinstance(answer.exception, MeshNotRunning), answer.output
    assert "asya local up" in answer.exception.cure
