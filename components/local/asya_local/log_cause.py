"""Finds the line of a log that says why its process died."""

import json
import re
from pathlib import Path
from typing import Final

_TAIL_BYTES: Final = 16 * 1024
_MAX_CHARS: Final = 300
_EXCEPTION: Final = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning)\b(:|$)")
_LEVEL: Final = re.compile(r"\b(CRITICAL|FATAL|ERROR)\b")


def explain_log(path: Path) -> str:
    """The last line that explains, shortened; empty when the log has none.

    An exception's own line is worth most, then a line logged as an error, then whatever was said last.
    """
    try:
        with path.open("rb") as log:
            log.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line for raw in text.splitlines() if (line := _plain(raw.strip()))]
    for pattern in (_EXCEPTION, _LEVEL):
        if found := next((line for line in reversed(lines) if pattern.search(line)), None):
            return found[:_MAX_CHARS]
    return lines[-1][:_MAX_CHARS] if lines else ""


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
    return " ".join(part for part in (level, f"{event}: {error}" if error else event) if part) or line
