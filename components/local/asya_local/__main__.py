"""Runs the supervisor of one mesh: ``python -m asya_local HOME``; started by ``asya_local.mesh.up``."""

import os
import sys
from pathlib import Path

from asya_local.processes import record_of
from asya_local.state import StateFolder
from asya_local.supervisor import Supervisor
from asya_process.entry import run_logged
from asya_process.logs import log_json


def main(arguments: list[str]) -> int:
    """Supervise the mesh of a folder until SIGTERM; the exit code is 1 when it could not be brought up."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m asya_local HOME\n")
        return 2
    if os.getpid() != os.getpgid(0):
        os.setsid()  # the terminal's Ctrl-C is for the command that started us, not for the mesh
    log_json("INFO")
    me = record_of(os.getpid(), "supervisor")
    if me is None:
        raise AssertionError("a running process has a start time")
    run_logged("mesh", Supervisor(StateFolder(Path(arguments[0])), dict(os.environ), me).run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
