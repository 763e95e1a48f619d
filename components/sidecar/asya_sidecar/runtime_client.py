"""Calls to the runtime over its Unix socket: one connection, one call at a time.

Speaks protocol 2 where the runtime's ready file announces it, else Asya 0.1.1's exchange with a connection per call
(docs/protocol.md). Whatever the runtime does becomes an ``Outcome``; nothing here judges an envelope.
"""

import asyncio
import json
import logging
import stat
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from asya_protocol import names
from asya_protocol.errors import FrameError, ReplyError
from asya_protocol.framing import encode_frame
from asya_protocol.reply import Item, ReplyFrame, parse_reply
from asya_protocol.runtime_end import WHOLE_CONTAINER, describe_note
from asya_sidecar.core.call_outcome import Outcome, Replied, RuntimeLost, TimedOut
from asya_sidecar.runtime_wire import RuntimeWire, connect

log: Final = logging.getLogger(__name__)

HELLO_TIMEOUT_S: Final = 5.0
"""A runtime answers hello from its own thread, even while a handler runs."""
WATCHDOG_GRACE_S: Final = 5.0
"""The runtime ends an overdue handler by itself; only when that too fails does the sidecar hang up."""
ENDING_CODES: Final = frozenset({"timeout_error", "interrupted"})
"""Error codes after which the runtime ends itself."""
FIRST_POLL_S: Final = 0.005
POLL_S: Final = 0.05
"""How often to look for a runtime that is starting: at first soon, for most start as fast as a sidecar does."""

NOTE_WAIT_S: Final = 2.0
"""Who watches a runtime notes its end within milliseconds (its container's init) or a quarter of a second (a local mesh)."""
CANCEL_PATIENCE_S: Final = 2.0
"""A runtime that was told to cancel ends the handler, or itself, within half a second."""

OnItems = Callable[[tuple[Item, ...], int], Awaitable[None]]
"""Called with streamed items and the place of the first of them."""
OnPieces = Callable[[tuple[msgspec.Raw, ...], int], None]
"""Called with pieces of a stream and the number of the first of them; must not wait."""


@dataclass(frozen=True, slots=True)
class Features:
    """What a runtime announces in its ready file; the defaults are Asya 0.1.1's.

    Attributes:
        protocol: 2 where it speaks our exchange.
        concurrency: Handler calls that it runs at the same time.
        batch: Largest batch that its handler takes; ``None`` when it takes one payload at a time.
        cancel: It can be told to end a running handler.
    """

    protocol: int = 1
    concurrency: int = 1
    batch: int | None = None
    cancel: bool = False


@dataclass(slots=True)
class _Connection:
    wire: RuntimeWire
    features: Features
    note: tuple[int, int] | None = None
    """Which note of an end was there when it was made; ``None`` where nobody watches the runtime."""


@dataclass(slots=True, eq=False)
class _Call:
    """One call under way; another on the same connection is another."""

    connection: _Connection


class RuntimeNotReady(Exception):
    """The runtime is starting, restarting or stuck; ask again."""


class RuntimeClient:
    """One slot for handler calls."""

    def __init__(self, socket_dir: Path) -> None:
        self._socket = socket_dir / names.SOCKET_NAME
        self._ready_file = socket_dir / names.READY_NAME
        self._note = socket_dir / names.END_NAME
        self._connection: _Connection | None = None
        self._must_probe = False
        self._answered = asyncio.Event()
        self._under_way: _Call | None = None

    @property
    def features(self) -> Features:
        """What the runtime said of itself when ``ready`` last succeeded."""
        return self._connection.features if self._connection is not None else Features()

    async def ready(self) -> None:
        """Be connected to a runtime that can take a call.

        Raises:
            RuntimeNotReady: Not now; the text says what is missing.
        """
        if self._connection is not None:
            if not self._connection.wire.at_eof:
                return
            await self._hang_up()
        features = self._announced()
        if self._must_probe and features.protocol == 1:
            await self._probe()
        self._connection = await self._open(features)
        self._must_probe = False

    async def wait_ready(self, timeout_s: float) -> bool:
        """Wait until ``ready`` succeeds; false when it has not within the time."""
        pause_s = FIRST_POLL_S
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while True:
                    try:
                        await self.ready()
                    except RuntimeNotReady as exc:
                        log.debug("runtime not ready", extra={"detail": str(exc)})
                        await asyncio.sleep(pause_s)
                        pause_s = min(pause_s * 1.2, POLL_S)
                    else:
                        return True
        return False

    async def call(
        self, bodies: Sequence[bytes], timeout_s: float, on_items: OnItems, on_pieces: OnPieces | None = None
    ) -> list[Outcome]:
        """Run the handler once, on one envelope or on a batch of at most ``features.batch``.

        Args:
            bodies: The envelopes' bytes, handed over as they are.
            timeout_s: The handler's limit for all of them together.
            on_items: Takes streamed items while the handler runs; only the items of the last frame are returned. A batch
                streams nothing.
            on_pieces: Takes pieces of a stream that goes past the queues.

        Returns:
            One outcome each, in the same order; what ended the call ended all that had no answer yet.

        Raises:
            RuntimeNotReady: They could not be handed over, so no handler has seen them.
        """
        outcomes: list[Outcome] = []
        end = await self._exchange(bodies, timeout_s, on_items, on_pieces, outcomes)
        return outcomes if end is None else [*outcomes, *[end] * (len(bodies) - len(outcomes))]

    async def cancel(self) -> None:
        """End the call that is under way, if any: its handler is interrupted, or its process ended.

        A runtime that cannot be told is hung up on; what its handler still makes has no reader.
        """
        call = self._under_way
        if call is None:
            return
        connection = call.connection
        if connection.features.cancel:
            with suppress(OSError):
                await connection.wire.write(encode_frame(b'{"asya": {"cancel": true}}'))
            with suppress(TimeoutError):
                async with asyncio.timeout(CANCEL_PATIENCE_S):
                    await self._answered.wait()
        if self._under_way is call:
            self._must_probe = True
            await connection.wire.close()

    async def _exchange(
        self,
        bodies: Sequence[bytes],
        timeout_s: float,
        on_items: OnItems,
        on_pieces: OnPieces | None,
        outcomes: list[Outcome],
    ) -> Outcome | None:
        """Fill ``outcomes``; returns what ended the call before all had an answer, else none."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        streamed = 0
        try:
            connection = await self._hand_over(bodies, timeout_s)
            self._answered.clear()
            self._under_way = _Call(connection)
            began_s = loop.time()
            grace_s = WATCHDOG_GRACE_S if connection.features.protocol >= 2 else 0
            async with asyncio.timeout_at(began_s + timeout_s + grace_s) as limit:

                async def pass_on(items: tuple[Item, ...], first: int) -> None:
                    # The handler waits meanwhile, and the runtime's watchdog with it: a slow broker is not its fault.
                    nonlocal began_s, streamed
                    passing_s = loop.time()
                    limit.reschedule(None)
                    streamed = first + len(items)
                    await on_items(items, first)
                    began_s += loop.time() - passing_s
                    limit.reschedule(began_s + timeout_s + grace_s)

                for _ in bodies:
                    outcomes.append(await self._answer(connection, pass_on, on_pieces))
                if connection.features.protocol >= 2 and _ends_itself(outcomes[-1]):
                    await self._see_off(connection)
        except TimeoutError:
            await self._hang_up()
            self._must_probe = True
            return TimedOut(timeout_s, streamed)
        except (OSError, EOFError, FrameError, ReplyError) as exc:
            # One that answers rubbish has not ended.
            note = self._connection.note if self._connection and isinstance(exc, OSError | EOFError) else None
            await self._hang_up()
            if loop.time() - began_s >= timeout_s:
                # The watchdog could not answer (foreign code held the interpreter) but did end the runtime.
                return TimedOut(timeout_s, streamed)
            end = await self._read_end(note) if note is not None else ""
            return RuntimeLost(end or _describe(exc), streamed)
        except BaseException:
            # Cancelled by a drain, or a streamed item could not be sent: the rest of this answer is not for the next call.
            await self._hang_up()
            raise
        finally:
            self._under_way = None
            self._answered.set()
            if self._connection is not None and self._connection.features.protocol < 2:
                await self._hang_up()
        return None

    async def close(self) -> None:
        """Hang up. Never raises."""
        await self._hang_up()

    async def _hand_over(self, bodies: Sequence[bytes], timeout_s: float) -> _Connection:
        await self.ready()
        connection = self._connection
        if connection is None:
            raise RuntimeNotReady("not connected")
        request = b"".join(map(encode_frame, bodies))
        if connection.features.protocol >= 2:
            head: dict[str, object] = {"timeout_s": timeout_s}
            if len(bodies) > 1:
                head["batch"] = len(bodies)
            request = encode_frame(msgspec.json.encode({"asya": head})) + request
        try:
            await connection.wire.write(request)
        except OSError as exc:
            # A cut request is never run: the runtime was gone before it had the whole of it.
            await self._hang_up()
            raise RuntimeNotReady(f"runtime hung up: {_describe(exc)}") from exc
        return connection

    async def _answer(self, connection: _Connection, on_items: OnItems, on_pieces: OnPieces | None) -> Outcome:
        streamed, is_list = 0, False
        while True:
            reply: ReplyFrame = parse_reply(await connection.wire.read_frame())
            if reply.final:
                return Replied(reply.items, streamed, reply.error, is_list)
            if reply.pieces:
                if on_pieces is not None:
                    on_pieces(reply.pieces, reply.first)
                continue
            is_list = True
            if reply.items:
                await on_items(reply.items, streamed)
            streamed += len(reply.items)

    async def _see_off(self, connection: _Connection) -> None:
        """Wait until a runtime that announced its own end is gone, so that the next call cannot reach it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WATCHDOG_GRACE_S):
                await connection.wire.read_to_end()
        await self._hang_up()

    def _announced(self) -> Features:
        """Read the ready file.

        Raises:
            RuntimeNotReady: There is none, or no socket beside it.
        """
        try:
            text = self._ready_file.read_text(encoding="utf-8")
            mode = self._socket.stat().st_mode
        except OSError as exc:
            raise RuntimeNotReady(f"runtime is not there yet: {exc}") from exc
        if not stat.S_ISSOCK(mode):
            raise RuntimeNotReady(f"{self._socket} is no socket")
        with suppress(ValueError, AttributeError, TypeError):
            about = json.loads(text.removeprefix("ready"))
            if about.get("protocol", 1) >= 2:
                batch = about.get("batch")
                return Features(2, int(about.get("concurrency", 1)), batch and int(batch), bool(about.get("cancel")))
        return Features()

    async def _open(self, features: Features) -> _Connection:
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                wire = await connect(self._socket)
                if features.protocol >= 2:
                    try:
                        await wire.write(encode_frame(b'{"asya": {"protocol": 2, "pieces": true}}'))
                        await wire.read_frame()
                    except BaseException:
                        await wire.close()
                        raise
                return _Connection(wire, features, _identity(self._note))
        except (OSError, EOFError, FrameError) as exc:
            raise RuntimeNotReady(f"runtime does not answer: {_describe(exc)}") from exc

    async def _probe(self) -> None:
        """Wait until a runtime of Asya 0.1.1, stuck in an overdue call, serves connections again.

        It works through one connection after another, so an empty request is hung up on only once it is free.
        """
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                wire = await connect(self._socket)
                try:
                    wire.end_writing()
                    await wire.read_to_end()
                finally:
                    await wire.close()
        except (OSError, TimeoutError) as exc:
            raise RuntimeNotReady(f"runtime is still busy with an overdue call: {_describe(exc)}") from exc

    async def _read_end(self, before: tuple[int, int]) -> str:
        """Say in words how the runtime ended, as its watcher notes it.

        Args:
            before: The note that was there while the runtime lived.
        """
        for _ in range(round(NOTE_WAIT_S / FIRST_POLL_S)):
            if _identity(self._note) not in (before, None):
                with suppress(OSError):
                    # A new life's empty note over no word of the old one: nobody was left to write it.
                    return describe_note(self._note.read_bytes()) or WHOLE_CONTAINER
            await asyncio.sleep(FIRST_POLL_S)
        return WHOLE_CONTAINER

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.wire.close()


def _identity(file: Path) -> tuple[int, int] | None:
    """What tells one version of a file that is replaced as a whole from the next; ``None`` where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _ends_itself(outcome: Outcome) -> bool:
    return isinstance(outcome, Replied) and outcome.error is not None and outcome.error.code in ENDING_CODES


def _describe(exc: BaseException) -> str:
    return str(exc) or type(exc).__name__
