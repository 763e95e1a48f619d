"""What an envelope's handlers stream, beside the wait for its end."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any

from asya.client.errors import MeshAway
from asya.client.gateway_link import Pieces
from asya.client.sent import Event


async def beside(pieces: Pieces, end: Coroutine[Any, Any, Event]) -> AsyncIterator[Event]:
    """Yield pieces until the end is there, then those that it overtook, which goes another way, then the end.

    A gateway that is away, or refuses us, costs the pieces alone.
    """
    came: asyncio.Queue[Event | None] = asyncio.Queue()

    async def hear() -> None:
        with suppress(MeshAway):
            async for event in pieces.follow():
                came.put_nowait(event)

    async def wait() -> Event:
        try:
            return await end
        finally:
            came.put_nowait(None)

    hearing, waiting = asyncio.create_task(hear()), asyncio.create_task(wait())
    try:
        while (event := await came.get()) is not None:
            yield event
        last = await waiting
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
        while not came.empty():
            if (event := came.get_nowait()) is not None:
                yield event
        with suppress(MeshAway):
            async for event in pieces.rest():
                yield event
        yield last
    finally:
        for task in (hearing, waiting):
            task.cancel()
        await asyncio.gather(hearing, waiting, return_exceptions=True)
