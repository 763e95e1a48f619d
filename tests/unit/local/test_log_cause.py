"""The line of a log that explains."""

from pathlib import Path

import pytest

from asya_local.log_cause import explain_log

TRACEBACK = """2026-01-02 03:04:05 - asya.runtime - INFO - handler=x.y
Traceback (most recent call last):
  File "x.py", line 1, in <module>
ModuleNotFoundError: No module named 'torch'
2026-01-02 03:04:06 - asya.runtime - INFO - ending
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TRACEBACK, "ModuleNotFoundError: No module named 'torch'"),
        ("a - INFO - x\na - CRITICAL - cannot load handler\nbye\n", "a - CRITICAL - cannot load handler"),
        (
            '{"level": "ERROR", "message": "sidecar cannot run", "error": "no queue"}\n',
            "ERROR sidecar cannot run: no queue",
        ),
        (
            "a - asya.runtime - CRITICAL - importing x failed: E: e, at /x.py:3\n" + TRACEBACK,
            "importing x failed: E: e, at /x.py:3",
        ),
        ('{"level": "CRITICAL", "logger": "asya.runtime", "message": "no x"}\nIndexError: i\n', "no x"),
        ("just text\n\n", "just text"),
        ("x" * 1000, "x" * 300),
        ("{broken\n", "{broken"),
        ("", ""),
    ],
)
def test_the_last_line_that_explains_is_found(tmp_path: Path, text: str, expected: str):
    """An exception's own line, else an error's, else the last one."""
    path = tmp_path / "x.log"
    path.write_text(text)
    assert explain_log(path) == expected


def test_what_an_earlier_process_said_explains_nothing(tmp_path: Path):
    """Nor does a line that is no error, where only an error will do."""
    path = tmp_path / "x.log"
    path.write_text(TRACEBACK)
    since = path.stat().st_size
    with path.open("a") as log:
        log.write("a - INFO - ready\n")
    assert explain_log(path, since) == "a - INFO - ready"
    assert explain_log(path, since, any_line=False) == ""
    assert explain_log(path, since + 1000) == "ModuleNotFoundError: No module named 'torch'", "it was begun anew"


def test_a_log_that_is_not_there_explains_nothing(tmp_path: Path):
    """A process may die before it has one."""
    assert explain_log(tmp_path / "no.log") == ""
