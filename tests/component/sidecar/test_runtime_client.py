"""Calls to runtimes that are not ours, or not well: Asya 0.1.1's exchange, hang-ups, rubbish, silence.

The peer here stands in for Asya 0.1.1's runtime, which cannot be had; it does what compatibility asks for: one request
and one reply per connection, strictly one after another, then it closes.
"""

import asyncio
import json
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from asya_protocol import names
from asya_protocol.framing import encode_frame
from asya_protocol.reply import ErrorItem, Item
from asya_protocol.runtime_end import WHOLE_CONTAINER
from asya_sidecar import runtime_client
from asya_sidecar.core.call_outcome import Outcome, Replied, RuntimeLost, TimedOut
from asya_sidecar.runtime_client import OnItems, RuntimeClient, RuntimeNotReady

BODY = json.dumps({"id": "e1", "route": {"actors": ["a"], "current": 0}, "payload": {"n": 1}}).encode()
Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def no_items(items: tuple[Item, ...], first: int) -> None:
    raise AssertionError(f"streamed {items} at {first}")


async def call(client: RuntimeClient, timeout_s: float, on_items: OnItems) -> Outcome:
    (outcome,) = await client.call([BODY], timeout_s, on_items)
    return outcome


@asynccontextmanager
async def original_runtime(answer: Answer) -> AsyncIterator[Path]:
    """Serve one connection after another: read one request, let ``answer`` reply, close."""
    one_at_a_time = asyncio.Lock()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with one_at_a_time:
            with suppress(asyncio.IncompleteReadError, OSError):
                (length,) = struct.unpack(">I", await reader.readexactly(4))
                await answer(await reader.readexactly(length), writer)
            writer.close()

    async with listening(serve, "ready") as folder:
        yield folder


@asynccontextmanager
async def listening(serve: Serve, ready: str) -> AsyncIterator[Path]:
    """Serve on a runtime's socket beside its ready file."""
    with tempfile.TemporaryDirectory(prefix="asya-") as name:
        folder = Path(name)
        server = await asyncio.start_unix_server(serve, folder / "asya-runtime.sock")
        (folder / "runtime-ready").write_text(ready)
        yield folder
        server.close()
        await server.wait_closed()


async def echo(request: bytes, writer: asyncio.StreamWriter) -> None:
    envelope = json.loads(request)
    item = {"payload": envelope["payload"], "route": {**envelope["route"], "current": 1}}
    writer.write(encode_frame(json.dumps([item]).encode()))
    await writer.drain()


async def test_the_originals_exchange_is_spoken_call_after_call() -> None:
    """A connection per call, no hello, no head."""
    async with original_runtime(echo) as folder:
        client = RuntimeClient(folder)
        assert await client.wait_ready(60)
        for _ in range(3):
            outcome = await call(client, 60.0, no_items)
            assert isinstance(outcome, Replied)
            assert bytes(outcome.items[0].payload) == b'{"n": 1}'
            assert outcome.items[0].route is not None
            assert outcome.items[0].route.current == 1
        await client.close()


async def test_an_overdue_original_is_left_alone_until_it_is_free_again() -> None:
    """It cannot be stopped; calls wait for it instead of timing out behind it and blaming the next envelope."""
    release = asyncio.Event()

    async def slow(request: bytes, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        await echo(request, writer)

    async with original_runtime(slow) as folder:
        client = RuntimeClient(folder)
        assert await call(client, 0.2, no_items) == TimedOut(0.2)
        waiting = asyncio.ensure_future(client.wait_ready(60))
        assert not (await asyncio.wait([waiting], timeout=0.5))[0], "ready though still busy"
        release.set()
        assert await waiting
        assert isinstance(await call(client, 60.0, no_items), Replied)
        await client.close()


async def say(data: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(data)
    with suppress(OSError):
        await writer.drain()


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "failed to read response from runtime"),
        (b"\x00\x00", "failed to read response from runtime"),
        (b"\x00\x00\x00\x00", "failed to parse runtime response"),
        (b"\x00\x00\x00\x10[]", "failed to read response from runtime"),
        (b"\xff\xff\xff\xff", "over the limit"),
        (encode_frame(b"{}"), "failed to parse runtime response"),
        (encode_frame(b"nonsense"), "failed to parse runtime response"),
        (encode_frame(b"[1]"), "failed to parse runtime response"),
        (encode_frame(b"\xff"), "failed to parse runtime response"),
    ],
    ids=[
        "nothing",
        "cut header",
        "empty frame",
        "cut frame",
        "huge frame",
        "object",
        "no JSON",
        "no items",
        "no UTF-8",
    ],
)
async def test_rubbish_says_nothing_about_the_envelope(data: bytes, detail: str) -> None:
    """Cut, empty and senseless frames are the runtime's fault."""
    async with original_runtime(lambda _, writer: say(data, writer)) as folder:
        client = RuntimeClient(folder)
        outcome = await call(client, 60.0, no_items)
        assert isinstance(outcome, RuntimeLost)
        assert detail in outcome.detail
        await client.close()


async def test_an_error_reply_of_the_original_is_understood() -> None:
    """It has no `mro`; the class itself is all that can be matched."""
    reply = [{"error": "processing_error", "details": {"message": "m", "type": "KeyError", "traceback": "t"}}]
    async with original_runtime(lambda _, writer: say(encode_frame(json.dumps(reply).encode()), writer)) as folder:
        client = RuntimeClient(folder)
        outcome = await call(client, 60.0, no_items)
        await client.close()
    assert outcome == Replied(error=ErrorItem("processing_error", "m", "KeyError", ("KeyError",), "t"))


@asynccontextmanager
async def runtime_of_ours(serve: Serve) -> AsyncIterator[Path]:
    """A stand-in that says hello as ours does, for what ours cannot be brought to do at a given moment."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            await read(reader)
            writer.write(encode_frame(b'{"asya": {"protocol": 2}}'))
            await serve(reader, writer)
        writer.close()

    async with listening(greet, 'ready {"protocol": 2, "cancel": true}') as folder:
        yield folder


async def read(reader: asyncio.StreamReader) -> Any:
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    return json.loads(await reader.readexactly(length))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (b"", b'{"signal": 9}', "the runtime was ended by SIGKILL (out of memory?)"),
        (b'{"signal": 9}', b'{"exit_code": 3}', "the runtime ended with exit code 3"),
        (b'{"signal": 9}', b"", WHOLE_CONTAINER),
        (b'{"signal": 9}', None, WHOLE_CONTAINER),
        (None, None, "failed to read response from runtime: connection closed"),
    ],
    ids=["a signal", "an exit code", "a new life", "no word", "nobody watches"],
)
async def test_how_a_runtime_ended_is_told_as_whoever_watches_it_notes(
    before: bytes | None, after: bytes | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note of an earlier end is not taken for this one's; where none comes, the watcher is gone too."""
    monkeypatch.setattr(runtime_client, "NOTE_WAIT_S", 0.2 if after is None else 60.0)

    async def die(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read(reader)
        await read(reader)
        if after is not None:
            (folder / "new").write_bytes(after)
            (folder / "new").replace(folder / names.END_NAME)

    async with runtime_of_ours(die) as folder:
        if before is not None:
            (folder / names.END_NAME).write_bytes(before)
        client = RuntimeClient(folder)
        assert await call(client, 60.0, no_items) == RuntimeLost(words)
        await client.close()


async def test_a_cancel_that_comes_late_leaves_the_next_call_alone() -> None:
    """The answer of the call that it meant and the next request pass each other."""
    cancelled, release = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(2):
            assert "timeout_s" in (await read(reader))["asya"]
            await read(reader)
            if number == 0:
                assert (await read(reader)) == {"asya": {"cancel": True}}
                cancelled.set()
            else:
                await release.wait()
            writer.write(
                encode_frame(json.dumps([{"payload": number, "route": {"actors": ["a"], "current": 1}}]).encode())
            )
        await reader.read()

    async with runtime_of_ours(serve) as folder:
        client = RuntimeClient(folder)

        async def calls() -> list[Outcome]:
            return [await call(client, 60.0, no_items) for _ in range(2)]

        both = asyncio.ensure_future(calls())
        while client._under_way is None:
            await asyncio.sleep(0.01)
        await client.cancel()
        assert cancelled.is_set()
        release.set()
        assert [type(outcome) for outcome in await both] == [Replied, Replied]
        await client.close()


async def test_the_time_that_a_broker_takes_for_a_stream_is_not_the_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours stops its clock while an item is not taken; the sidecar's must stop too."""
    monkeypatch.setattr(runtime_client, "WATCHDOG_GRACE_S", 0.0)
    items = [{"payload": number, "route": {"actors": ["a"], "current": 1}} for number in range(3)]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        await read(reader)
        for frame in ({"more": items[:1]}, {"more": items[1:2]}, items[2:]):
            writer.write(encode_frame(json.dumps(frame).encode()))
        await reader.read()

    passed: list[int] = []

    async def slow(made: tuple[Item, ...], first: int) -> None:
        await asyncio.sleep(2)
        passed.append(first)

    async with runtime_of_ours(serve) as folder:
        client = RuntimeClient(folder)
        outcome = await call(client, 3.0, slow)
        assert isinstance(outcome, Replied)
        assert (passed, outcome.streamed, len(outcome.items)) == ([0, 1], 2, 1)
        await client.close()


async def test_no_runtime_is_not_ready_rather_than_an_outcome(tmp_path: Path) -> None:
    """Neither a missing socket, nor a file in its place, nor a stale one costs an envelope anything."""
    client = RuntimeClient(tmp_path)
    with pytest.raises(RuntimeNotReady, match="not there yet"):
        await client.ready()
    (tmp_path / "runtime-ready").write_text("ready")
    (tmp_path / "asya-runtime.sock").write_text("")
    with pytest.raises(RuntimeNotReady, match="no socket"):
        await call(client, 60.0, no_items)
    assert not await client.wait_ready(0.1)
