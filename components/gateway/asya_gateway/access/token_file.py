"""Tokens in a file, read anew while the gateway runs: a token that is taken back ends within ten seconds, its streams too."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from asya_gateway.access.tokens import Caller, parse_tokens

log: Final = logging.getLogger(__name__)

LOOK_S: Final = 10.0


class TokenFile:
    """Callers by digest of their token.

    Raises:
        ValueError: The file cannot be read, or a line of it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.callers: Mapping[bytes, Caller] = self._read()

    async def watch(self) -> None:
        """Read it periodically until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> bool:
        """Read the file; returns whether the tokens changed. One that cannot be used leaves the last good ones."""
        try:
            found = self._read()
        except ValueError as exc:
            log.warning("tokens not read, the last good ones stay", extra={"error": str(exc)})
            return False
        changed = found != self.callers
        self.callers = found
        if changed:
            log.info("tokens changed", extra={"tokens": len(found)})
        return changed

    def _read(self) -> dict[bytes, Caller]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise ValueError(str(exc)) from None
        return parse_tokens(text)
