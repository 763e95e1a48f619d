"""Pieces that handlers stream, as they come: on stderr, while stdout stays the result's alone."""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from asya_cli.exit_codes import CommandError
from asya_cli.plain_text import json_text, plain

Show = Callable[[str, Any], None]
"""Called with what it is (``partial``, ``anew``, ``gap``) and its JSON."""
KINDS: Final = frozenset({"partial", "anew", "gap"})
QUIET_S: Final = 0.3
"""So long nothing may have come before a stream counts as told to its end, once the result is there."""


class PieceWriter:
    """Writes a stream: the text of pieces that have one runs on, others are a line each."""

    def __init__(self) -> None:
        self._in_line = False
        self.first: Callable[[], None] | None = None
        """Called before the first piece is written."""
        self.last_s: float | None = None
        """When the last piece came; ``None`` before the first."""

    def show(self, kind: str, data: Any) -> None:  # noqa: ANN401 - any JSON value
        """Write what came."""
        if self.last_s is None and self.first is not None:
            self.first()
        self.last_s = time.monotonic()
        if kind == "anew":
            self._line(f"-- {data.get('actor')} begins anew (attempt {data.get('attempt')})")
        elif kind == "gap":
            self._line(f"-- {data.get('lost')} pieces were lost")
        else:
            text = data.get("text") if isinstance(data, dict) else data
            if isinstance(text, str):
                self._write(plain(text))
            else:
                self._line(json_text(data))

    def end_line(self) -> None:
        """Let what is printed next begin a line."""
        if self._in_line:
            self._write("\n")

    def _line(self, text: str) -> None:
        self.end_line()
        self._write(f"{plain(text)}\n")

    def _write(self, text: str) -> None:
        if text:
            sys.stderr.write(text)
            sys.stderr.flush()
            self._in_line = not text.endswith("\n")


class Following:
    """Follows the stream of an envelope that was sent past the gateway of the mesh on this machine, where it has one."""

    def __init__(self, home: Path, envelope_id: str, writer: PieceWriter) -> None:
        self._home = home
        self._id = envelope_id
        self._writer = writer

    def begin(self) -> None:
        """Follow in a thread, which ends with this process; without a gateway nobody streams."""
        threading.Thread(target=self._follow, name="pieces", daemon=True).start()

    def end(self) -> None:
        """Wait until nothing has come for a moment, where anything has come at all."""
        while self._writer.last_s is not None and (left_s := self._writer.last_s + QUIET_S - time.monotonic()) > 0:
            time.sleep(left_s)
        self._writer.end_line()

    def _follow(self) -> None:
        from asya_cli.gateway_client import Gateway
        from asya_cli.gateway_http import GatewayHttp
        from asya_cli.gateway_place import own_gateway

        own = own_gateway(self._home)
        if own is None:
            return
        try:
            Gateway(GatewayHttp(*own)).pieces(self._id, self._writer.show)
        except CommandError:
            return  # the result is what was asked for


def read_piece(data: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read a piece of a stream.

    Raises:
        CommandError: It is none.
    """
    try:
        return json.loads(data)
    except ValueError:
        raise CommandError(f"the gateway's stream holds what is no piece: {data[:200]}") from None
