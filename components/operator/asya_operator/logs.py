"""Logs as JSON lines on stdout: constant text in ``message``, data in fields of its own."""

import logging
import sys
from typing import Final

from pythonjsonlogger.json import JsonFormatter

_NOISY: Final = ("kopf", "pika", "botocore", "boto3", "urllib3", "aiohttp", "asyncio")


def log_json(level: str) -> None:
    """Send every record of this process to stdout as one JSON object per line.

    Args:
        level: Name of the lowest level to keep.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
