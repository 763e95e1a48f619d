"""Why an envelope failed, in one sentence: the same in the command line, the console and MCP. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

_FRAME: Final = re.compile(r'^  File "([^"\n]+)", line (\d+), in (\S+)', re.MULTILINE)


def failure_words(error: str | None, details: Mapping[str, Any] | None = None) -> str:
    """Join an error's code, and the type and message of the handler's exception, as far as they are known."""
    known = details or {}
    return ": ".join(str(part) for part in (error, known.get("type"), known.get("message")) if part)


def last_place(traceback: str) -> str:
    """Name the innermost frame of a stack as ``file.py:12 in work``; empty where there is none."""
    frames = _FRAME.findall(traceback)
    if not frames:
        return ""
    path, line, name = frames[-1]
    return f"{path.rpartition('/')[2]}:{line} in {name}"
