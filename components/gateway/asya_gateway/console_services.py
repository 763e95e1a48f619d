"""What the console's routes work with, opened and closed together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from asya_gateway.actors.board import ActorBoard
from asya_gateway.actors.sources import open_source
from asya_gateway.calls import Calls
from asya_gateway.dead_letters import DeadLetters
from asya_gateway.feed import EventStream
from asya_gateway.store.port import EnvelopeStore
from asya_gateway.wakeups import PubSub
from asya_transport.factory import open_admin
from asya_transport.port import Transport
from asya_transport.settings import TransportSettings


@dataclass(frozen=True, slots=True)
class Watch:
    """The actors, their dead letters, and what changes."""

    board: ActorBoard
    letters: DeadLetters
    feed: EventStream


@asynccontextmanager
async def open_watch(
    source: str,
    broker: TransportSettings,
    *,
    store: EnvelopeStore,
    transport: Transport,
    wakeups: PubSub,
    calls: Calls,
) -> AsyncIterator[Watch]:
    """Open them.

    Args:
        source: Who knows the actors, as ``ASYA_GATEWAY_ACTORS`` names it.
        broker: Where the queues are.
        store: Open.
        transport: Connected to the same broker.
        wakeups: Of this gateway.
        calls: Know the tools, whose routes name actors where nobody can list them.
    """
    admin = open_admin(broker)

    def known() -> set[str]:
        return {actor for tool in calls.tools.values() for actor in tool.route}

    board = ActorBoard(open_source(source), admin, store, known, broker.queue_names)
    feed = EventStream(store, board, wakeups)
    try:
        yield Watch(board, DeadLetters(transport, admin, board, wakeups), feed)
    finally:
        await feed.close()
        await board.close()
        await admin.close()
