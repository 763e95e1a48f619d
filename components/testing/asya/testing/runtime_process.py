"""An actor's runtime: a child process, started when its first envelope is on the way, and again when it died.

It imports handlers as the test does: same interpreter, same module folders. It dies with the thread that started it, and
takes with it what its handler started.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from asya.testing.actor import Actor
from asya.testing.errors import HandlerNotLoaded
from asya_process.command import dying_with_parent, runtime_file
from asya_protocol import names

READY_POLL_S: Final = 0.02
GRACE_S: Final = 1.0
"""Seconds from SIGTERM to SIGKILL; there is nothing left to finish then."""
TIMEOUT_CODE: Final = 124
"""With it a runtime ends that stopped an overdue handler; it removes its ready file then (docs/protocol.md)."""
LOG_LINES: Final = 30


class RuntimeProcess:
    """Keeps one actor's runtime running.

    Args:
        name: The actor's.
        actor: Its handler, as a dotted name.
        folder: Private; short, because a socket's path may have about 100 characters.
        on_failure: Called when it cannot be started, now and whenever it is asked for again.
    """

    def __init__(self, name: str, actor: Actor, folder: Path, on_failure: Callable[[HandlerNotLoaded], None]) -> None:
        self.socket_dir = folder
        self._name = name
        self._actor = actor
        self._on_failure = on_failure
        self._failure: HandlerNotLoaded | None = None
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._log = folder / "output.log"
        self._shown_bytes = 0

    def ensure_started(self) -> None:
        """Start it, unless that was done before; returns at once."""
        if self._failure is not None:
            self._on_failure(self._failure)
        elif self._task is None:
            self._task = asyncio.create_task(self._keep_running(), name=f"runtime of {self._name}")

    async def stop(self) -> None:
        """End it and whatever its handler started."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await process.wait()
        _kill_group(process.pid)
        await process.wait()

    def new_output(self) -> str:
        """What it and its handler printed since the last call."""
        try:
            with self._log.open("rb") as log:
                log.seek(self._shown_bytes)
                output = log.read()
        except OSError:
            return ""
        self._shown_bytes += len(output)
        return output.decode(errors="replace")

    async def _keep_running(self) -> None:
        try:
            await self._start_again_and_again()
        except (OSError, HandlerNotLoaded) as exc:
            self._failure = HandlerNotLoaded(f"actor {self._name!r}: {exc}")
            self._on_failure(self._failure)

    async def _start_again_and_again(self) -> None:
        while True:
            self._process = process = await self._start()
            was_ready = await self._until_ready(process)
            code = await process.wait()
            _kill_group(process.pid)
            if not was_ready and code != TIMEOUT_CODE:
                lines = self._log.read_text(errors="replace").splitlines()[-LOG_LINES:]
                raise HandlerNotLoaded("\n".join([f"its runtime ended with code {code} before it was ready", *lines]))

    async def _start(self) -> asyncio.subprocess.Process:
        runtime = runtime_file()
        if runtime is None:
            raise HandlerNotLoaded("asya_runtime is not installed beside asya-testing; install asya-runtime")
        (self.socket_dir / names.READY_NAME).unlink(missing_ok=True)
        # -P: the runtime's own folder, often site-packages, must not come before the test's.
        argv = dying_with_parent([sys.executable, "-P", runtime], signal.SIGKILL)
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *argv,
                env=runtime_env(self._actor, self.socket_dir, os.environ, sys.path),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )

    async def _until_ready(self, process: asyncio.subprocess.Process) -> bool:
        """Wait until it is ready or has ended."""
        ready = self.socket_dir / names.READY_NAME
        while process.returncode is None:
            if ready.exists():
                return True
            await asyncio.sleep(READY_POLL_S)
        return ready.exists()  # ready and dead within one pause: the file stays when nobody could remove it


def runtime_env(actor: Actor, socket_dir: Path, environ: Mapping[str, str], path: list[str]) -> dict[str, str]:
    """Write the environment of a runtime: the test's, the actor's own, and what makes it this actor's runtime."""
    return {
        "ASYA_LOG_LEVEL": "WARNING",
        **{name: value for name, value in environ.items() if not name.startswith("ASYA_SOCKET_")},
        "PYTHONPATH": os.pathsep.join(str(Path(each).absolute()) for each in path),
        "PYTHONUNBUFFERED": "1",
        **actor.env,
        "ASYA_HANDLER": str(actor.handler),
        "ASYA_HANDLER_MODE": actor.mode,
        "ASYA_BATCH_SIZE": "" if actor.batch_size is None else str(actor.batch_size),  # empty equals unset
        "ASYA_CONCURRENCY": str(actor.concurrency),
        "ASYA_SOCKET_DIR": str(socket_dir),
        "ASYA_SOCKET_CHMOD": "0600",
    }


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
