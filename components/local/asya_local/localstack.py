"""AWS's SQS and S3 on this machine: LocalStack in a virtual environment of its own, or moto where that cannot run.

LocalStack 4.14.0 is the last release without an account and needs Python 3.12 or 3.13; where none is found or can be
fetched, moto's server stands in on any Python. Both are pinned and installed once, into the cache folder, keyed by
their pins. Nothing here knows the mesh: callers choose folder and port, keep the process id, and stop it.
"""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from asya_local.probe import get
from asya_protocol.errors import AsyaError

Kind = Literal["localstack", "moto"]
Progress = Callable[[str], None]

PINS: Final[Mapping[Kind, tuple[str, ...]]] = {
    # Beside the release itself: the newest versions of these five break it.
    "localstack": (
        "localstack-core[runtime]==4.14.0",
        "cryptography<47",
        "pyopenssl<25.4",
        "cbor2<5.8",
        "plux<1.15",
        "service_identity",
    ),
    "moto": ("moto[server,s3,sqs,sts,iam]==5.1.22",),
}
SUPPORTED: Final[Mapping[Kind, str]] = {"localstack": ">=3.12,<3.14", "moto": ">=3.11"}
"""Pythons that a stand-in runs on, as packages say it."""
LOCKED: Final[Mapping[Kind, Path]] = {kind: Path(__file__).parent / f"locked/{kind}.txt" for kind in PINS}
"""What those pins resolve to, each package with the hashes of its files; ``python -m tools.lock_stand_ins`` writes them."""
PYTHONS: Final = ("3.13", "3.12")
"""Versions that LocalStack 4.14 runs on (3.11 fails on its PEP 695 syntax), best first."""
INSTALL_TIMEOUT_S: Final = 900.0
STOP_TIMEOUT_S: Final = 10.0
_HEALTH: Final[Mapping[Kind, str]] = {"localstack": "/_localstack/health", "moto": "/moto-api/data.json"}
_POLL_S: Final = 0.1
_PROBE_TIMEOUT_S: Final = 30.0
_FETCH_AGAIN_S: Final = 86_400.0
"""A Python that could not be fetched is not asked for again so soon."""


class CloudError(AsyaError):
    """The stand-in for AWS cannot be installed or started here; the text says why and what would help."""

    fault = "user"


@dataclass(slots=True)
class CloudServer:
    """A running stand-in.

    Attributes:
        kind: What runs.
        process: Its process; it leads a process group of its own.
        port: Where it listens, on 127.0.0.1.
        log: Its output.
    """

    kind: Kind
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def pid(self) -> int:
        """Process id, also of its group."""
        return self.process.pid

    @property
    def endpoint(self) -> str:
        """URL for SQS and S3 clients."""
        return f"http://127.0.0.1:{self.port}"

    def poll(self) -> int | None:
        """Its exit code once it has ended."""
        return self.process.poll()

    def terminate(self) -> None:
        """Ask it to end, with all that it started."""
        self._signal(signal.SIGTERM)

    def kill_group(self) -> None:
        """End it and all that it started at once."""
        self._signal(signal.SIGKILL)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End it and all that it started, by force after ``timeout_s``."""
        self.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill_group()
            self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)


def ensure_installed(progress: Progress, *, cache: Path | None = None) -> Path:
    """Install LocalStack, or moto where it cannot run; quick when that was done before. Safe to call concurrently.

    Args:
        progress: Told what takes long, and that moto stands in.
        cache: Folder for installed tools; the user's cache folder when absent.

    Returns:
        The Python interpreter of the virtual environment that holds it.

    Raises:
        CloudError: It cannot be installed.
    """
    cache = cache or cache_folder()
    python = _installed(cache, "localstack")
    if python is not None:
        return python
    base = _find_or_fetch_python(progress, cache)
    if base is not None:
        return _install(cache, "localstack", base, progress)
    progress("no working Python 3.12 or 3.13 was found, so moto's server stands in for LocalStack")
    return _installed(cache, "moto") or _install(cache, "moto", _own_python(), progress)


def start(folder: Path, port: int, services: Sequence[str], *, python: Path | None = None) -> CloudServer:
    """Start what ``ensure_installed`` installed; it answers a few seconds later (``wait_ready``).

    Args:
        folder: For its state and log; removed by the caller when it is no longer needed.
        port: Free TCP port; it listens on 127.0.0.1 only.
        services: e.g. ``("sqs", "s3")``.
        python: As ``ensure_installed`` returned it; found again when absent.

    Raises:
        CloudError: Nothing is installed.
    """
    cache = cache_folder()
    python = python or _installed(cache, "localstack") or _installed(cache, "moto")
    if python is None:
        raise CloudError("neither LocalStack nor moto is installed; call ensure_installed first")
    kind: Kind = "moto" if python.parent.parent.name.startswith("moto-") else "localstack"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{kind}.log"
    argv = [str(python), "-m", "localstack.runtime.main"]
    if kind == "moto":
        argv = [str(python), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env=_environment(folder, port, services),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for whoever started it, who then ends it in order
        )
    return CloudServer(kind, process, port, log)


def wait_ready(server: CloudServer, timeout_s: float = 90.0) -> None:
    """Wait until it answers and has loaded its services.

    Raises:
        CloudError: It ended, or did not answer in time; holds the end of its log.
    """
    deadline = time.monotonic() + timeout_s
    while not is_healthy(server.endpoint, server.kind):
        if server.poll() is not None:
            raise CloudError(f"{server.kind} ended with code {server.poll()}:\n{_tail(server.log)}")
        if time.monotonic() > deadline:
            raise CloudError(f"{server.kind} did not answer within {timeout_s:g} s:\n{_tail(server.log)}")
        time.sleep(_POLL_S)


def is_healthy(endpoint: str, kind: Kind = "localstack") -> bool:
    """Whether it answers and none of its services is still starting or broken."""
    try:
        document = json.loads(get(endpoint.removeprefix("http://"), _HEALTH[kind]))
    except (OSError, ValueError):
        return False
    states = document.get("services", {}).values() if kind == "localstack" else ()
    return all(state in {"running", "available", "disabled"} for state in states)


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Folder for installed tools, outside of any checkout."""
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "asya"


def _environment_folder(cache: Path, kind: Kind) -> Path:
    version = PINS[kind][0].partition("==")[2]
    pins = hashlib.sha256(LOCKED[kind].read_bytes()).hexdigest()
    return cache / f"{kind}-{version}-{pins[:12]}"


def _installed(cache: Path, kind: Kind) -> Path | None:
    folder = _environment_folder(cache, kind)
    python = folder / "bin" / "python"
    # The interpreter that it was made from may have been removed since; one that is slow is there, and perhaps in use.
    works = (folder / "complete").exists() and _run_code(python, "import ssl", if_slow="") is not None
    return python if works else None


def _install(cache: Path, kind: Kind, base: Path, progress: Progress) -> Path:
    folder = _environment_folder(cache, kind)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found := _installed(cache, kind):
            return found  # another process was faster
        progress(f"installing {PINS[kind][0]} with {base}, once, into {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        python = folder / "bin" / "python"
        if uv := find_uv(cache):
            _run([uv, "venv", "--quiet", "--python", str(base), str(folder)], kind)
            _run([uv, "pip", "install", "--quiet", "--python", str(python), *_hashed(kind)], kind)
        else:
            _run([str(base), "-m", "venv", str(folder)], kind)
            _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_hashed(kind)], kind)
        (folder / "complete").touch()
    return python


def _hashed(kind: Kind) -> tuple[str, ...]:
    """Options of uv's and of pip's installer: these files, and no others."""
    return "--require-hashes", "--requirement", str(LOCKED[kind])


def find_uv(cache: Path) -> str | None:
    """Find uv on PATH or where the project's set-up keeps it; pip does as well, more slowly."""
    kept = sorted(cache.glob("uv-*/bin/uv"))
    return shutil.which("uv") or (str(kept[-1]) if kept else None)


def find_python() -> tuple[Path, str] | None:
    """Find a Python on this machine that LocalStack runs on: its path and version."""
    for candidate in _candidate_pythons():
        version = _run_code(candidate, "import sys, ssl, venv; print('%d.%d.%d' % sys.version_info[:3])") or ""
        if version.rpartition(".")[0] in PYTHONS:
            return candidate, version
    return None


def _find_or_fetch_python(progress: Progress, cache: Path) -> Path | None:
    if found := find_python():
        return found[0]
    uv = find_uv(cache)
    if uv is None:
        return None
    missed = cache / f"python-{PYTHONS[0]}-could-not-be-fetched"
    if missed.exists() and time.time() - missed.stat().st_mtime < _FETCH_AGAIN_S:
        return None
    progress(f"fetching Python {PYTHONS[0]} for LocalStack, which a slow network makes minutes of; memory needs none")
    try:
        _run([uv, "python", "install", "--quiet", PYTHONS[0]], "localstack")
        fetched = Path(_run([uv, "python", "find", "--managed-python", PYTHONS[0]], "localstack").strip())
    except CloudError:
        missed.parent.mkdir(parents=True, exist_ok=True)
        missed.touch()
        return None
    return fetched if _run_code(fetched, "import ssl, venv") is not None else None


def _candidate_pythons() -> Iterator[Path]:
    yield _own_python()
    for version in PYTHONS:
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
            yield Path(folder) / f"python{version}"
        versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
        yield from sorted(versions.glob(f"{version}.*/bin/python{version}"), reverse=True)


def _own_python() -> Path:
    # The interpreter below our own virtual environment, which may be removed long before the cache is.
    return Path(getattr(sys, "_base_executable", "") or sys.executable)


def _run_code(python: Path, code: str, *, if_slow: str | None = None) -> str | None:
    """Run code and return what it prints; ``None`` where it fails: a version manager's shim exists and may yet answer 127."""
    try:
        answer = subprocess.run(
            [str(python), "-I", "-c", code],
            capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=True, env=_clean_environ(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return if_slow
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _run(argv: list[str], kind: Kind) -> str:
    try:
        answer = subprocess.run(
            argv, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False, env=_clean_environ()
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise CloudError(f"{kind} cannot be installed: {exc}") from exc
    if answer.returncode != 0:
        raise CloudError(f"{kind} cannot be installed: {' '.join(argv[:4])} ... said:\n{answer.stderr[-2000:]}")
    return answer.stdout


def _clean_environ() -> dict[str, str]:
    """Our environment without what would bend another interpreter's imports."""
    bent = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP", "PYTHONWARNINGS"}
    return {name: value for name, value in os.environ.items() if name not in bent}


def _environment(folder: Path, port: int, services: Sequence[str]) -> dict[str, str]:
    volume = folder / "volume"
    volume.mkdir(exist_ok=True)
    listens = f"127.0.0.1:{port}"
    return {
        **{name: value for name, value in _clean_environ().items() if not name.startswith(("LOCALSTACK_", "ASYA_"))},
        "GATEWAY_LISTEN": listens,
        # What it writes into queue URLs, so that they work for whoever takes one as it is.
        "LOCALSTACK_HOST": listens,
        "SQS_ENDPOINT_STRATEGY": "path",
        "GATEWAY_SERVER": "twisted",
        "LOCALSTACK_VOLUME_DIR": str(volume),
        "SERVICES": ",".join(services),
        "EAGER_SERVICE_LOADING": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
        "DNS_ADDRESS": "0",
        # No page of another origin may read or write queues and results; LocalStack refuses foreign origins by itself.
        "MOTO_DISABLE_GLOBAL_CORS": "true",
        "PYTHONUNBUFFERED": "1",
    }


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3000:] if log.exists() else ""
