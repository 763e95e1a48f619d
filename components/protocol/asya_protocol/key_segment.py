"""Encodes any text as one segment of a key. Pure."""

import hashlib
from typing import Final
from urllib.parse import quote

MAX_SEGMENT_CHARS: Final = 180
"""File names end at 255 bytes and S3 keys at 1024; prefix, moment, actor and ending need some of that."""


def segment(name: str) -> str:
    """Turn any text into one path segment; text that is a plain name stays as it is, different texts stay different."""
    encoded = quote(name, safe="", errors="surrogatepass")
    if encoded.startswith("."):
        encoded = f"%2E{encoded[1:]}"
    if len(encoded) > MAX_SEGMENT_CHARS:
        encoded = f"{encoded[:100]}~{hashlib.sha256(encoded.encode()).hexdigest()}"
    return encoded
