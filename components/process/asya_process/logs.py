"""Logs of a process as JSON lines on stdout: constant text in ``message``, data in fields of its own, never a payload."""

import logging
import sys
import time
from typing import Final

from pythonjsonlogger.msgspec import MsgspecFormatter

_NOISY: Final = ("pika", "botocore", "boto3", "urllib3")
"""The brokers' clients log every reconnect attempt with a traceback; the transports say it in one line."""


class _UtcFormatter(MsgspecFormatter):
    """Writes moments as RFC 3339 in UTC: local time has an hour twice where clocks are put back."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


def log_json(level: str, noisy: tuple[str, ...] = ()) -> None:
    """Send every record of this process to stdout as one JSON object per line; ``time`` is RFC 3339 in UTC.

    Args:
        level: Name of the lowest level to keep.
        noisy: More loggers that say too much below WARNING.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        _UtcFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in (*_NOISY, *noisy):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
