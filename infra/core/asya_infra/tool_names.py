"""Names of tools as files and keys. Pure."""

import hashlib
import re
from typing import Final

_FILE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


def file_name(tool: str) -> str:
    """A tool's file or key: its name where that is one, never a path, never another tool's. Pure."""
    if _FILE.fullmatch(tool):
        return tool
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", tool).strip("-") or "tool"
    return f"{plain[:40]}-{hashlib.sha256(tool.encode()).hexdigest()[:8]}"
