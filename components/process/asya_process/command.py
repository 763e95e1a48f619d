"""Builds command lines: for the runtime's file, and for programs that die with their parent. Starts nothing itself."""

import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SHIM: Final = Path(__file__).with_name("die_with_parent.py")


def runtime_file() -> str | None:
    """Path of the runtime, found without importing it (importing would read its environment and set up logging).

    Returns:
        None where it is not installed.
    """
    spec = importlib.util.find_spec("asya_runtime")
    return None if spec is None else spec.origin


def dying_with_parent(argv: Sequence[str], number: signal.Signals) -> list[str]:
    """Arguments that start the same program, which then gets a signal when the thread that started it is gone.

    On anything but Linux they are the same arguments, and the program outlives its parent.
    """
    if sys.platform != "linux":
        return list(argv)
    # -I -S: the shim needs neither site-packages nor the user's PYTHONPATH, and starts in 15 ms without them.
    return [sys.executable, "-I", "-S", str(SHIM), str(os.getpid()), str(int(number)), *argv]
