"""moto's server, for what LocalStack lacks without an account: EKS and RDS; and for its enforcement of IAM."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final, Self

from lab.servers.ports import free_port
from lab.waits import wait_until

START_TIMEOUT_S: Final = 180.0
ACCOUNT: Final = "000000000000"
"""LocalStack's, so that an ARN means the same in both."""


class MotoServer:
    """One server on a free port.

    Args:
        log: Its output.
        free_calls: How many calls pass before IAM is enforced; all of them unless a test says when.
    """

    def __init__(self, log: Path, free_calls: int | None = None) -> None:
        self.port = free_port()
        self._log, self._free_calls = log, free_calls
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """URL for clients."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        environment = os.environ | {"MOTO_ACCOUNT_ID": ACCOUNT}
        if self._free_calls is not None:
            environment["INITIAL_NO_AUTH_ACTION_COUNT"] = str(self._free_calls)
        argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(argv, stdout=output, stderr=output, env=environment)
        wait_until(self._answers, START_TIMEOUT_S, "moto answers", self._log.read_text)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)

    def enforce(self) -> None:
        """From the next call on, IAM decides."""
        # Without the type, the server takes the body for a form and finds it empty.
        request = urllib.request.Request(  # noqa: S310 - http, this machine
            f"{self.endpoint}/moto-api/reset-auth", data=b"0", method="POST", headers={"Content-Type": "text/plain"}
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - http, this machine

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, f"moto ended:\n{self._log.read_text()}"
        try:
            urllib.request.urlopen(f"{self.endpoint}/moto-api/data.json", timeout=2).close()  # noqa: S310
        except (OSError, urllib.error.URLError):
            return False
        return True
