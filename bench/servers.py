"""The servers that benchmarks need, each started for one run and gone after it.

RabbitMQ and LocalStack are those of the tests, from the same pins. Redis, which only the peers use, is Debian's.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from asya_local.localstack import cache_folder
from tests.support.localstack import CREDENTIALS, LocalStackServer
from tests.support.rabbitmq import RabbitMqServer, free_ports, is_open, wait_for

__all__ = ["CREDENTIALS", "LocalStackServer", "RabbitMqServer", "count_requests", "redis"]

REDIS_PACKAGES: Final = ("redis-server", "redis-tools", "libjemalloc2", "liblzf1")


def count_requests(server: LocalStackServer) -> Counter[str]:
    """Count what LocalStack says that it was asked: its own log has a line ``AWS sqs.SendMessage => 200`` for each."""
    counts: Counter[str] = Counter()
    for log in server.folder.glob("*.log"):
        for line in log.read_text(errors="replace").splitlines():
            _, found, rest = line.partition("AWS sqs.")
            if found:
                counts[rest.split(" ", 1)[0]] += 1
    return counts


@contextmanager
def redis() -> Iterator[str]:
    """Run a Redis that keeps nothing on disk, which is the fastest that it can be; yields its URL.

    Raises:
        RuntimeError: There is none, and none can be had.
    """
    binary, environ = find_redis()
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="asya-redis-") as folder:
        argv = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        log = Path(folder) / "redis.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                argv, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            wait_for(lambda: is_open(port), 20.0, "redis-server", lambda: log.read_text(errors="replace"))
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(10)


def find_redis() -> tuple[str, dict[str, str]]:
    """Find redis-server, or unpack Debian's packages into the cache folder: that needs no root and changes no system.

    Returns:
        Its path, and the environment that it runs in.

    Raises:
        RuntimeError: There is none, and none can be had.
    """
    if found := shutil.which("redis-server"):
        return found, dict(os.environ)
    folder = cache_folder() / "redis-debian"
    if not (folder / "complete").exists():
        apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg")
        if apt is None or dpkg is None:
            raise RuntimeError("no redis-server on PATH and no apt-get to fetch it with; install it by hand")
        print("fetching redis-server for the peers", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subprocess.run([apt, "-qq", "download", *REDIS_PACKAGES], cwd=folder, check=True, capture_output=True)
        for package in folder.glob("*.deb"):
            subprocess.run([dpkg, "-x", str(package), str(folder)], check=True)
        (folder / "complete").touch()
    libraries = ":".join(str(path) for path in (folder / "usr" / "lib").glob("*-linux-*"))
    return str(folder / "usr" / "bin" / "redis-server"), {**os.environ, "LD_LIBRARY_PATH": libraries}
