"""A pod that is deleted while its processes still start ends at once, although they are process 1 of their container.

The kernel drops a signal that process 1 does not handle (pid_namespaces(7)), so each asks for it before anything else.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STOPPED_AT_ONCE = """
import os, signal
block = signal.pthread_sigmask
def block_and_be_stopped(how, numbers):
    before = block(how, numbers)
    if how == signal.SIG_BLOCK and signal.SIGTERM in numbers:
        os.kill(os.getpid(), signal.SIGTERM)
    return before
signal.pthread_sigmask = block_and_be_stopped
"""
"""Stands for a kubelet whose SIGTERM comes while the sidecar is still importing."""


def test_a_sidecar_that_is_stopped_before_it_has_started_ends_in_order(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(STOPPED_AT_ONCE)
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        "ASYA_ACTOR_NAME": "early",
        "ASYA_TRANSPORT": "rabbitmq",
        "ASYA_RABBITMQ_URL": "amqp://127.0.0.1:1",
        "ASYA_SOCKET_DIR": str(tmp_path),
        "ASYA_METRICS_ENABLED": "false",
    }
    done = subprocess.run(
        [sys.executable, "-m", "asya_sidecar"], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "sidecar stopped" in done.stdout + done.stderr


def test_a_gateway_that_is_stopped_while_its_database_does_not_answer_ends_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        environ = {
            "PATH": os.environ["PATH"],
            "ASYA_TRANSPORT": "memory",
            "ASYA_MEMORY_SOCKET": str(tmp_path / "none.sock"),
            "ASYA_GATEWAY_AUTH": "off",
            "ASYA_GATEWAY_PORT": "0",
            "ASYA_DATABASE_URL": f"postgresql://someone@127.0.0.1:{mute.getsockname()[1]}/mesh",
        }
        argv = [sys.executable, "-m", "asya_gateway"]
        mute.settimeout(120)
        with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as gateway:
            with mute.accept()[0]:
                gateway.terminate()
                said, _ = gateway.communicate(timeout=120)
            assert gateway.returncode == 0, said


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
