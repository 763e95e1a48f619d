"""An operator in a process of its own, with an administrator's or given rights, against a real API server."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.installs.previous_release import THIS, Release
from lab.servers.ports import free_ports
from lab.waits import wait_until

LIMIT_S = 120.0


class OperatorProcess:
    """One operator, whose sidecars are of the image ``sidecar:NAME``; use as a context manager.

    Args:
        name: Tells it from others: namespace of its lease, image of its sidecars, prefix of its queues.
        kubeconfig: Its credentials.
        folder: For its log.
        transports: ``ASYA_TRANSPORT_CONFIG``.
        release: Which code it is.
        environ: More settings.
    """

    def __init__(
        self,
        name: str,
        kubeconfig: Path,
        folder: Path,
        transports: dict[str, Any],
        *,
        release: Release = THIS,
        **environ: str,
    ) -> None:
        self.image = f"sidecar:{name}"
        self._log = folder / f"operator-{name}.log"
        metrics, self._probes = free_ports(2)
        flags = ["--metrics-bind-address", f"127.0.0.1:{metrics}"]
        flags += ["--health-probe-bind-address", f"127.0.0.1:{self._probes}", "--runtime-namespace", name]
        self._argv = [str(release.python), "-m", "asya_operator", "--leader-elect", *flags]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("ASYA_")}
        self._environ = {
            **inherited,
            "KUBECONFIG": str(kubeconfig),
            "ASYA_TRANSPORT_CONFIG": json.dumps(transports),
            "ASYA_SIDECAR_IMAGE": self.image,
            "ASYA_QUEUE_PREFIX": f"{name}-",
            **environ,
        }

    def __enter__(self) -> Self:
        """Start it and wait until it serves."""
        self._begin()
        wait_until(lambda: self.readiness() == "ok", LIMIT_S, "the operator to be ready", self.said)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it in good order."""
        if error is not None:
            error.add_note(f"{self.image}: {self.said()}")
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Start it, ready or not, and end it."""
        self._begin()
        try:
            yield
        finally:
            self.__exit__(*sys.exc_info())

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text(encoding="utf-8")[-3000:]

    def readiness(self) -> str:
        """What ``/readyz`` says: ``ok``, or why not; nothing before it listens."""
        assert self._process.poll() is None, self.said()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._probes}/readyz", timeout=5) as answer:
                return str(answer.read().decode().strip())
        except urllib.error.HTTPError as refused:
            return str(refused.read().decode().strip())
        except OSError:
            return ""

    def _begin(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, env=self._environ, stdout=log, stderr=log)
