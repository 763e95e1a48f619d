"""Pieces that handlers stream, as they come: on stderr, while stdout stays the result's alone."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from asya_cli.exit_codes import CommandError, GatewayAway
from asya_cli.plain_text import json_text, plain

Show = Callable[[str, Any], None]
"""Called with what it is (``partial``, ``anew``, ``gap``) and its JSON."""
KINDS: Final = frozenset({"partial", "anew", "gap"})
PAUSE_S: Final = 0.5
"""Before a stream that was cut is taken up again."""
REST_LIMIT_S: Final = 15.0
"""So long the rest of a stream that is over may take; a gateway waits 10 s for what is on its way."""


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
        self._after = ""
        self._over = threading.Event()
        self._showing = threading.Lock()

    def begin(self) -> None:
        """Follow in a thread, which ends with this process; without a gateway nobody streams."""
        threading.Thread(target=self._follow, name="pieces", daemon=True).start()

    def end(self) -> None:
        """Show what the result has overtaken, which goes another way than a stream."""
        with self._showing:
            self._over.set()
        # The result is what was asked for: a gateway that is away costs the pieces alone.
        with suppress(CommandError, TimeoutError):
            for _, kind, data in self._pieces(REST_LIMIT_S):
                self._writer.show(kind, data)
        self._writer.end_line()

    def _follow(self) -> None:
        while not self._over.is_set():
            try:
                for place, kind, data in self._pieces():
                    with self._showing:
                        if self._over.is_set():
                            return
                        self._after = place
                        self._writer.show(kind, data)
            except GatewayAway:
                self._over.wait(PAUSE_S)
            except CommandError:
                return
            else:
                return  # no gateway, or one that has ended the stream: the rest is asked for at the end

    def _pieces(self, rest_s: float | None = None) -> Iterator[tuple[str, str, Any]]:
        from asya_cli.gateway_client import Gateway
        from asya_cli.gateway_http import GatewayHttp
        from asya_cli.gateway_place import own_gateway

        own = own_gateway(self._home)
        return iter(()) if own is None else Gateway(GatewayHttp(*own)).pieces(self._id, self._after, rest_s)


def read_piece(data: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read a piece of a stream.

    Raises:
        CommandError: It is none.
    """
    try:
        return json.loads(data)
    except ValueError:
        raise CommandError(f"the gateway's stream holds what is no piece: {data[:200]}") from None
