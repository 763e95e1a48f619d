"""The hook that holds SIGTERM back until process 1 hears it, run by a real shell on status files of our own."""

import subprocess
from pathlib import Path

import pytest

from asya_operator.specs.pod_defaults import LIFECYCLE

STATUS = "Name:\tpython3\nSigQ:\t0/1\nSigBlk:\t{blocked}\nSigIgn:\t0000000001001000\nSigCgt:\t{caught}\n"
NONE = "0000000000000000"


@pytest.mark.parametrize(
    ("blocked", "caught", "hears"),
    [
        (NONE, "0000000000000002", False),  # SIGINT alone: an interpreter that has only just started
        (NONE, "0000000000004002", True),
        ("0000000000004002", "0000000000000002", True),
        (NONE, "0000000108016a02", True),  # 0x6...: SIGTERM among others
        (NONE, "0000000000003aff", False),
        (NONE, "0000000000008000", False),  # SIGSTKFLT, one further
        (NONE, "000000000000c000", True),
    ],
)
def test_it_waits_for_the_bit_of_sigterm(tmp_path: Path, blocked: str, caught: str, hears: bool) -> None:
    status = tmp_path / "status"
    status.write_text(STATUS.format(blocked=blocked, caught=caught))
    shell, flag, script = LIFECYCLE["preStop"]["exec"]["command"]
    # A count instead of the wait: how often it looked.
    script = script.replace("/proc/1/status", str(status)).replace("sleep 0.1", "echo looked")
    done = subprocess.run([shell, flag, script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.count("looked") == (0 if hears else 50)
    assert done.stderr == ""
