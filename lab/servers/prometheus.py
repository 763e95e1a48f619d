"""A real Prometheus that scrapes what a test names, once a second, with rules; everything is in a folder that goes with it."""

import json
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from lab.installs.prometheus import prometheus
from lab.servers.ports import free_port
from lab.waits import wait_until

START_S: Final = 120.0


class PrometheusServer:
    """One server on a free port; use as a context manager.

    Args:
        targets: Addresses ``host:port`` by job.
        rules: Files of rules.
        more: Further jobs, as Prometheus' configuration has them.
        settings: Further ones of all jobs, its ``global``.
    """

    def __init__(
        self,
        targets: Mapping[str, Sequence[str]],
        rules: Sequence[Path] = (),
        more: Sequence[Mapping[str, Any]] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="asya-prometheus-")
        self.port = free_port()
        jobs = [{"job_name": job, "static_configs": [{"targets": list(each)}]} for job, each in targets.items()]
        self._config: dict[str, Any] = {
            "global": {**dict(settings or {}), "scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [*jobs, *more],
        }

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        (folder / "prometheus.yml").write_text(json.dumps(self._config))  # JSON is YAML
        log = folder / "log"
        argv = [str(prometheus()), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*argv, f"--web.listen-address=127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            wait_until(self._ready, START_S, "Prometheus answers", lambda: log.read_text()[-2000:])
        except RuntimeError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(START_S)
        self._folder.cleanup()

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Ask for an expression's value now."""
        question = urllib.parse.urlencode({"query": expr})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{question}", timeout=START_S) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def _ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"Prometheus ended with {self._process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5):
                return True
        except OSError:
            return False
