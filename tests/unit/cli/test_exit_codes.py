"""Every error ends as one line of cause, one of cure and an exit code that a script can act on."""

import json

import pytest

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
