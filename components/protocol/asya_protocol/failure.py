"""Why an envelope failed, in one sentence: the same in the command line, the console and MCP. Pure."""

from collections.abc import Mapping
from typing import Any


def failure_words(error: str | None, details: Mapping[str, Any] | None = None) -> str:
    """Join an error's code, and the type and message of the handler's exception, as far as they are known."""
    known = details or {}
    return ": ".join(str(part) for part in (error, known.get("type"), known.get("message")) if part)
