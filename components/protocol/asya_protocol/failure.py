"""Why an envelope failed, in one sentence: the same in the command line, the console and MCP. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

_FRAME: Final = re.compile(r'^[ |]*File "([^"\n]+)", line (\d+), in (\S+)', re.MULTILINE)
_LIBRARY: Final = re.compile(r"[/\\](site-packages|dist-packages|lib[/\\]python3[.\d]*)[/\\]|^<")
"""Of frames that are not the user's own: an installed package, the standard library, no file at all."""


def failure_words(error: str | None, details: Mapping[str, Any] | None = None) -> str:
    """Join an error's code, the type and message of the handler's exception, and its place, as far as they are known.

    Returns:
        ``processing_error: KeyError: 'evening', at pages.py:12 in translate``.
    """
    known = details or {}
    words = ": ".join(str(part) for part in (error, known.get("type"), known.get("message")) if part)
    place = own_place(str(known.get("traceback") or ""))
    return f"{words}, at {place}" if words and place and place not in words else words


def document_words(document: Mapping[str, Any]) -> str:
    """Say why an envelope failed, of a gateway's record or event of it; empty of one that has not."""
    error = str(document.get("error") or "")
    result = document.get("result")
    details = result.get("details") if error and isinstance(result, Mapping) else None
    return failure_words(error, details if isinstance(details, Mapping) else None)


def own_place(traceback: str) -> str:
    """Name the innermost frame in the user's own code as ``last_place`` does; where all are libraries', the innermost."""
    frames = _FRAME.findall(traceback)
    frames = [frame for frame in frames if not frame[0].endswith("asya_runtime.py")]  # ours say nothing of the cause
    own = [frame for frame in frames if not _LIBRARY.search(frame[0])]
    return _place(*(own or frames)[-1]) if frames else ""


def last_place(traceback: str) -> str:
    """Name the innermost frame of a stack as ``file.py:12 in work``; empty where there is none."""
    frames = _FRAME.findall(traceback)
    return _place(*frames[-1]) if frames else ""


def _place(path: str, line: str, name: str) -> str:
    return f"{path.rpartition('/')[2]}:{line} in {name}"
