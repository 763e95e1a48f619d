"""A pod that is deleted while its sidecar still starts ends at once, although the sidecar is process 1 of its container.

The kernel drops a signal that process 1 does not handle (pid_namespaces(7)), so it asks for it before anything else.
"""

import os
import subprocess
import sys
from pathlib import Path

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
