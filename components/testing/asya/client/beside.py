"""What an envelope's handlers stream, beside the wait for its end."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

from asya.client.errors import MeshAway
from asya.client.sent import Event

QUIET_S: Final = 0.3
"""So long nothing may have come before a stream counts as told to its end: it goes another way than the end does."""


async def beside(pieces: AsyncIterator[Event], end: Coroutine[Any, Any, Event]) -> AsyncIterator[Event]:
    """Yield pieces until the end is there and nothing has come for a moment, then the end.

    A gateway that is away costs the pieces alone.
    """
    came: asyncio.Queue[Event | None] = asyncio.Queue()

    async def hear() -> None:
        try:
            async for event in pieces:
                came.put_nowait(event)
        except MeshAway:
            pass

    async def wait() -> Event:
        try:
            return await end
        finally:
            came.put_nowait(None)

    hearing, waiting = asyncio.create_task(hear()), asyncio.create_task(wait())
    try:
        some = False
        while (event := await came.get()) is not None:
            some = True
            yield event
        last = await waiting
        try:
            while some:
                async with asyncio.timeout(QUIET_S):
                    event = await came.get()
                if event is not None:
                    yield event
        except TimeoutError:
            pass
        yield last
    finally:
        for task in (hearing, waiting):
            task.cancel()
        await asyncio.gather(hearing, waiting, return_exceptions=True)
