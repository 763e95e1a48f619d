"""A pod that is deleted while its runtime still starts ends at once, although the runtime is process 1 of its container.

The kernel drops a signal that process 1 does not handle (pid_namespaces(7)), so it asks for it before anything else.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_a_runtime_whose_handler_is_still_loading_ends_at_once_as_process_1(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("this test needs root and unshare(1), to make a runtime process 1")
        pytest.skip("needs root and unshare(1), to make a runtime process 1")
    (tmp_path / "slow_model.py").write_text(
        "import threading\nprint('loading', flush=True)\nthreading.Event().wait()\n"
    )
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        "ASYA_HANDLER": "slow_model.process",
        "ASYA_SOCKET_DIR": str(tmp_path / "socket"),
    }
    runtime = [sys.executable, str(ROOT / "components/runtime/asya_runtime.py")]
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", *runtime],  # noqa: S607 - the one on PATH is meant
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as unshare:
        try:
            assert unshare.stdout is not None
            assert unshare.stdout.readline() == "loading\n"
            [first] = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text().split()
            os.kill(int(first), signal.SIGTERM)
            assert unshare.wait(timeout=120) == 128 + signal.SIGTERM
        finally:
            unshare.kill()
