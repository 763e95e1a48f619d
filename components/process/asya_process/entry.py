"""How a process of Asya begins and ends: settings, logs, work; what stops it is one line and exit code 1."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from asya_process.logs import log_json
from asya_protocol.errors import AsyaError, SettingsError

_T = TypeVar("_T")


class _Settings(Protocol):
    @property
    def log_level(self) -> str: ...


_S = TypeVar("_S", bound=_Settings)


def run_process(
    name: str, read: Callable[[], _S], work: Callable[[_S], Coroutine[Any, Any, _T]], *, noisy: tuple[str, ...] = ()
) -> _T:
    """Run a process from its settings to its end.

    Args:
        name: What it is, e.g. ``sidecar``.
        read: Reads the settings; nothing is logged before.
        work: What it does.
        noisy: More loggers that say too much below WARNING.

    Raises:
        SystemExit: It could not start (code 1); stderr, or the log, says why.
    """
    try:
        settings = read()
    except SettingsError as exc:
        sys.stderr.write(f"asya-{name}: {exc}\n")
        raise SystemExit(1) from None
    log_json(settings.log_level, noisy=noisy)
    return run_logged(name, work(settings))


def run_logged(name: str, work: Coroutine[Any, Any, _T]) -> _T:
    """Run what a process does; an error of ours is one line in its log.

    Raises:
        SystemExit: There was one (code 1).
    """
    try:
        return asyncio.run(work)
    except AsyaError as exc:
        told = {"error": str(exc), "error_type": type(exc).__name__}
        logging.getLogger(f"asya_{name}").error("%s cannot run", name, extra=told)  # noqa: TRY400 - the cause is in the text
        raise SystemExit(1) from None
    finally:
        for handler in logging.getLogger().handlers:
            handler.flush()  # what the loop's last turn said


async def unless_stopped(work: Coroutine[Any, Any, _T], stop: asyncio.Event) -> _T | None:
    """Wait for work or for the stop event; ``None`` when that came first, and the work is cancelled and over then."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None
