"""Logs as JSON lines on stdout: constant text in ``message``, data in fields of its own, never a payload."""

import logging
import sys

from pythonjsonlogger.msgspec import MsgspecFormatter


def log_json(level: str) -> None:
    """Send every record of this process to stdout as one JSON object per line.

    Args:
        level: Name of the lowest level to keep.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        MsgspecFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Clients log every reconnect attempt with a traceback; what matters is said in one line by those who use them.
    for noisy in ("pika", "botocore", "boto3", "urllib3", "psycopg", "psycopg.pool", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
