"""A gateway that is stopped while it still starts ends at once."""

import os
import socket
import subprocess
import sys
from pathlib import Path


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
