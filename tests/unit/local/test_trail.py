"""When each settlement was, from what a sidecar's log says, also where clocks are put back."""

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from asya_local.trail import SETTLED, read_trail
from asya_process.logs import log_json

REPEATED_HOUR = [datetime(2026, 10, 25, hour, 30, 0, 250_000, tzinfo=UTC).timestamp() for hour in (0, 1)]
"""Both are 02:30 in Central Europe."""


@pytest.fixture(autouse=True)
def central_europe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine there; the rules of its clock are written out, so that no time zone files are needed."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def keep_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def log_lines(folder: Path, text: str) -> None:
    log = folder / "logs" / "work" / "1-sidecar.log"
    log.parent.mkdir(parents=True)
    log.write_text(text)


@pytest.mark.usefixtures("keep_logging")
def test_settlements_in_the_repeated_hour_keep_their_moments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a sidecar writes them."""
    log_json("INFO")
    for at_s, result in zip(REPEATED_HOUR, ("retried", "success"), strict=True):
        fields = {"created": at_s, "msecs": 250.0, "envelope_id": "e1", "actor": "work", "result": result}
        record = logging.makeLogRecord({"msg": SETTLED, "levelname": "INFO", "levelno": logging.INFO, **fields})
        logging.getLogger().handle(record)
    text = capsys.readouterr().out
    log_lines(tmp_path, text)
    assert [(step.at_s, step.result) for step in read_trail(tmp_path, "e1")] == [
        (REPEATED_HOUR[0], "retried"),
        (REPEATED_HOUR[1], "success"),
    ]
    assert [json.loads(line)["time"] for line in text.splitlines()] == [
        "2026-10-25T00:30:00.250Z",
        "2026-10-25T01:30:00.250Z",
    ]


def test_lines_of_earlier_versions_are_read_as_local_time(tmp_path: Path) -> None:
    """A log outlives an update."""
    entry = {"message": SETTLED, "envelope_id": "e1", "actor": "work", "result": "success"}
    log_lines(tmp_path, json.dumps({**entry, "time": "2026-07-01 12:00:00,500"}))
    (step,) = read_trail(tmp_path, "e1")
    assert step.at_s == datetime(2026, 7, 1, 10, 0, 0, 500_000, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("moment", ["soon", "", None, 7])
def test_a_line_without_a_moment_is_left_out(tmp_path: Path, moment: object) -> None:
    entry = {"message": SETTLED, "envelope_id": "e1", "actor": "work", "result": "success"}
    log_lines(tmp_path, json.dumps({**entry, "time": moment}))
    assert read_trail(tmp_path, "e1") == []
