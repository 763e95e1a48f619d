"""Logs of a process as JSON lines on stdout: constant text in ``message``, data in fields of its own, never a payload.

What a turn of an event loop says below WARNING leaves in one write, at the end of that turn: a line for each envelope must not
cost a system call for each. Everything else is written at once.
"""

import asyncio
import logging
import sys
import time
from typing import Final, TextIO

import msgspec

_NOISY: Final = ("pika", "botocore", "boto3", "urllib3")
"""The brokers' clients log every reconnect attempt with a traceback; the transports say it in one line."""
_OWN: Final = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})
"""What every record has; the rest is the caller's ``extra``."""


def _plain(value: object) -> str:
    """Say what JSON has no form for."""
    return f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else str(value)


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object; moments as RFC 3339 in UTC: local time has an hour twice when clocks are put back."""

    def __init__(self) -> None:
        super().__init__()
        self._encode = msgspec.json.Encoder(enc_hook=_plain).encode
        self._second, self._moment = -1, ""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record; never fails over what a caller put into ``extra``."""
        second = int(record.created)
        if second != self._second:
            self._second, self._moment = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        document: dict[str, object] = {
            "time": f"{self._moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in _OWN:
                document[name] = value
        if record.exc_info:
            document["exc_info"] = self.formatException(record.exc_info)
        if record.stack_info:
            document["stack_info"] = record.stack_info
        try:
            return self._encode(document).decode()
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
            return self._encode({name: str(value) for name, value in document.items()}).decode()


class TurnHandler(logging.StreamHandler[TextIO]):
    """Writes what a turn of the running loop logged at once."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._due: asyncio.AbstractEventLoop | None = None
        """The loop that is to write what waits."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; called with the handler's lock."""
        try:
            self._lines.append(self.format(record))
            if record.levelno >= logging.WARNING:
                self.flush()
            elif self._due is not (loop := asyncio.get_running_loop()):
                self._due = loop
                loop.call_soon(self.flush)
        except RuntimeError:  # No loop in this thread.
            self.flush()
        except Exception:  # noqa: BLE001 - logging's own convention
            self.handleError(record)

    def flush(self) -> None:
        """Write what waits."""
        self.acquire()
        try:
            lines, self._lines, self._due = self._lines, [], None
            if lines:
                self.stream.write("\n".join(lines) + "\n")
            super().flush()
        finally:
            self.release()


def log_json(level: str, noisy: tuple[str, ...] = ()) -> None:
    """Send every record of this process to stdout as one JSON object per line; ``time`` is RFC 3339 in UTC.

    Args:
        level: Name of the lowest level to keep.
        noisy: More loggers that say too much below WARNING.
    """
    handler = TurnHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in (*_NOISY, *noisy):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # No line names a source file, a thread or a process, and finding those out costs more than the rest of a record
    # (https://docs.python.org/3/howto/logging.html#optimization).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
