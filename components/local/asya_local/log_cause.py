"""Finds the line of a log that says why its process died."""

import json
import re
from pathlib import Path
from typing import Final

_TAIL_BYTES: Final = 16 * 1024
_MAX_CHARS: Final = 300
_RUNTIME: Final = re.compile(r"\basya\.runtime - CRITICAL - (.+)")
"""The runtime's own last words, which name the place in the user's code."""
_EXCEPTION: Final = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning)\b(:|$)")
_LEVEL: Final = re.compile(r"\b(CRITICAL|FATAL|ERROR)\b")


def explain_log(path: Path, since: int = 0, *, any_line: bool = True) -> str:
    """The last line that explains, shortened; empty when the log has none.

    The runtime's own last words are worth most, then an exception's line, then a line logged as an error, then whatever was
    said last.

    Args:
        path: The log.
        since: Its size when the process was started; what earlier processes said explains nothing.
        any_line: Whether a line that is no error will do.
    """
    try:
        with path.open("rb") as log:
            size = path.stat().st_size
            log.seek(max(size - _TAIL_BYTES, since if since <= size else 0))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line for raw in text.splitlines() if (line := _plain(raw.strip()))]
    if said := next((words[1] for line in reversed(lines) if (words := _RUNTIME.search(line))), None):
        return said[:_MAX_CHARS]
    for pattern in (_EXCEPTION, _LEVEL):
        if found := next((line for line in reversed(lines) if pattern.search(line)), None):
            return found[:_MAX_CHARS]
    return lines[-1][:_MAX_CHARS] if lines and any_line else ""


def _plain(line: str) -> str:
    """A JSON line as one a person reads: its event and its error."""
    if not line.startswith("{"):
        return line
    try:
        document = json.loads(line)
    except ValueError:
        return line
    if not isinstance(document, dict):
        return line
    event = str(document.get("event") or document.get("message") or document.get("msg") or "")
    error = document.get("error")
    level = str(document.get("level", "")).upper()
    if (document.get("logger"), level) == ("asya.runtime", "CRITICAL"):
        return f"asya.runtime - CRITICAL - {event}"
    return " ".join(part for part in (level, f"{event}: {error}" if error else event) if part) or line
