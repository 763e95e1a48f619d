"""Which servers of an evaluation run, as their folder tells."""

import json
import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from asya_local.processes import ProcessRecord, record_of
from tools.stack import servers
from tools.stack.errors import StackError
from tools.stack.quick_start import Servers

NOBODY = 4_194_305
"""Beyond the largest process id that Linux gives."""


def noted(folder: Path, **process: Any) -> None:
    known = {"host": "10.0.0.1", "aws": 4566, "amqp": 0, "management": 0, **process}
    (folder / "servers.json").write_text(json.dumps(known), encoding="utf-8")


def this_process() -> ProcessRecord:
    found = record_of(os.getpid(), "servers")
    assert found is not None
    return found


def test_those_whose_process_lives_run(tmp_path: Path) -> None:
    """With where they are."""
    assert servers.running(tmp_path) is None
    noted(tmp_path, process=asdict(this_process()))
    assert servers.running(tmp_path) == Servers("10.0.0.1", aws=4566)


def test_those_that_were_killed_are_forgotten(tmp_path: Path) -> None:
    """As after a reboot."""
    noted(tmp_path, process={**asdict(this_process()), "pid": NOBODY})
    assert servers.running(tmp_path) is None
    assert not (tmp_path / "servers.json").exists()
    servers.stop(tmp_path)


OURS_NO_MORE: list[dict[str, Any]] = [
    {"process": {**asdict(this_process()), "created_s": this_process().created_s - 86_400, "start": "another boot/1"}},
    {"pid": os.getpid()},
]
"""A pid that was given again after a reboot; a record of before start times were kept."""


@pytest.mark.parametrize("record", OURS_NO_MORE, ids=["given again", "without a start"])
def test_a_stranger_with_their_pid_is_let_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: dict[str, Any]
) -> None:
    """Ours here: signals are written down instead of sent."""
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: sent.append(number))
    noted(tmp_path, **record)
    servers.stop(tmp_path)
    assert not {signal.SIGTERM, signal.SIGKILL} & set(sent)
    noted(tmp_path, **record)
    assert servers.running(tmp_path) is None
    assert not (tmp_path / "servers.json").exists()


def test_those_of_another_user_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process stands in for one that we may not signal."""

    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    monkeypatch.setattr(servers, "_END_S", 0.0)
    noted(tmp_path, process=asdict(this_process()))
    with pytest.raises(StackError, match=f"process {os.getpid()}"):
        servers.stop(tmp_path)
    assert (tmp_path / "servers.json").exists()
