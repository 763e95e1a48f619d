"""Which servers of an evaluation run, as their folder tells."""

import json
import os
from pathlib import Path

from tools.stack import servers
from tools.stack.quick_start import Servers

NOBODY = 4_194_305
"""Beyond the largest process id that Linux gives."""


def noted(folder: Path, pid: int) -> None:
    known = {"host": "10.0.0.1", "aws": 4566, "amqp": 0, "management": 0, "pid": pid}
    (folder / "servers.json").write_text(json.dumps(known), encoding="utf-8")


def test_those_whose_process_lives_run(tmp_path: Path) -> None:
    """With where they are."""
    assert servers.running(tmp_path) is None
    noted(tmp_path, os.getpid())
    assert servers.running(tmp_path) == Servers("10.0.0.1", aws=4566)


def test_those_that_were_killed_are_forgotten(tmp_path: Path) -> None:
    """As after a reboot."""
    noted(tmp_path, NOBODY)
    assert servers.running(tmp_path) is None
    assert not (tmp_path / "servers.json").exists()
    servers.stop(tmp_path)
