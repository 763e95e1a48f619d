"""ElasticMQ: SQS that refuses what AWS refuses and LocalStack does not, such as the handle of a lease that has ended.

``python -m lab.servers.elasticmq install`` fetches its jars by Maven, once per machine; a server keeps everything in memory.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from lab.built_once import built_once, cache_root
from lab.installs.apt import apt_install
from lab.servers.localstack import CREDENTIALS
from lab.servers.ports import free_port
from lab.servers.rabbitmq import is_open
from lab.servers.shared import guard, session_folder, share
from lab.waits import wait_until

ARTIFACT: Final = ("org.elasticmq", "elasticmq-server_2.13", "1.7.1")
JARS: Final = cache_root() / "-".join(ARTIFACT[1:])
PROGRAMS: Final = {"java": "default-jre-headless", "mvn": "maven"}
START_TIMEOUT_S: Final = 120.0
POM: Final = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>asya</groupId><artifactId>lab</artifactId><version>1</version>
<dependencies><dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency></dependencies>
</project>"""
CONFIGURATION: Final = """include classpath("application.conf")
node-address {{ host = "127.0.0.1", port = {port} }}
rest-sqs {{ bind-hostname = "127.0.0.1", bind-port = {port}, sqs-limits = strict }}
rest-stats.enabled = false
"""


def install() -> Path:
    """Fetch the jars where they are missing; the folder that holds them."""
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            apt_install(package)
    return built_once(JARS, _fetch)


def _fetch(folder: Path, scratch: Path) -> None:
    (scratch / "pom.xml").write_text(POM.format(*ARTIFACT), encoding="ascii")
    copy = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
    subprocess.run(copy, cwd=scratch, check=True, stdout=sys.stderr)


class ElasticMqServer:
    """One server on a free port."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="asya-elasticmq-")) if folder is None else folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """URL for clients."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration, log = self.folder / "elasticmq.conf", self.folder / "output.log"
        configuration.write_text(CONFIGURATION.format(port=self.port), encoding="ascii")
        # A small heap, and the quick compiler only: it lives for minutes.
        java = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", f"-Dconfig.file={configuration}", "-cp", f"{JARS}/*"]
        with log.open("ab") as output:
            argv = [*java, "org.elasticmq.server.Main"]
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        wait_until(lambda: is_open(self.port), START_TIMEOUT_S, "ElasticMQ answers", lambda: log.read_text()[-2000:])

    def close(self) -> None:
        """End it and remove what it wrote."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def require_server() -> None:
    """Skip where it is not installed; fail where CI is set, because there it must be."""
    if JARS.is_dir() and shutil.which("java"):
        return
    reason = "ElasticMQ is not installed: run `python -m lab.servers.elasticmq install`"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def elasticmq_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Endpoint of the session's server; use queue names of your own."""
    require_server()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield from share(session_folder(tmp_path_factory, "elasticmq-shared"), "lab.servers.elasticmq")


if __name__ == "__main__":
    if sys.argv[1] == "guard":
        guard(Path(sys.argv[2]), ElasticMqServer, lambda server: server.endpoint)
    else:
        try:
            print(f"elasticmq: {install()}")
        except (RuntimeError, subprocess.CalledProcessError) as exc:
            print(f"elasticmq: {exc}", file=sys.stderr)
            sys.exit(1 if os.environ.get("CI") else 0)
