"""Words of strangers as a terminal may show them: without control characters, which terminals obey. Pure.

An escape sequence in a handler's exception, or in an id that a producer chose, could hide lines, forge others, set the window's
title or fill the clipboard. Facts: ECMA-48 (C0 and C1 controls), Unicode TR9 (directions of writing), CVE class CWE-150.
"""

import json
import re
from typing import Final

_CONTROLS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and newline; delete; C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # separators of lines, and directions that reorder what is read
    "\ud800-\udfff]"  # halves of characters, which no terminal's encoding takes
)


def plain(text: str) -> str:
    """Return a text with every control character but tab and newline as its escape, such as of ESC."""
    return _CONTROLS.sub(_escape, text.replace("\r\n", "\n"))


def json_text(document: object, *, indent: int | None = None, compact: bool = False) -> str:
    """Write JSON for a terminal or a pipe: other scripts as they are, control characters as JSON's own escapes."""
    text = json.dumps(document, ensure_ascii=False, indent=indent, separators=(",", ":") if compact else None)
    # JSON leaves those from 0x7f on as they are; below, only its own line ends are left outside of texts.
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: "re.Match[str]") -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
