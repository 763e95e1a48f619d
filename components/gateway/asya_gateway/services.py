"""The services behind the routes, one object for the whole application."""

from asya_gateway.access.body_budget import BodyBudget
from asya_gateway.actors.board import ActorBoard
from asya_gateway.actors.history import CallTimes, History
from asya_gateway.actors.sources import open_source
from asya_gateway.calls import Calls
from asya_gateway.dead_letters import DeadLetters
from asya_gateway.feed import EventStream
from asya_gateway.metrics import Metrics
from asya_gateway.pieces import Pieces
from asya_gateway.pubsub import PubSub
from asya_gateway.readiness import Readiness
from asya_gateway.replays import Replays
from asya_gateway.reports import Reports
from asya_gateway.settings import GatewaySettings
from asya_gateway.store.port import EnvelopeStore
from asya_store.port import Store
from asya_transport.port import QueueAdmin, Transport


class App:
    """What the routes work with.

    Args:
        settings: Of this gateway.
        store: Open.
        transport: Connected.
        admin: Of the same broker; closed with the application.
        calls: Over the same store and transport.
        pubsub: Woken by the store.
        metrics: Of this gateway.
        objects: The mesh's object store; ``None`` where it has none.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        store: EnvelopeStore,
        transport: Transport,
        admin: QueueAdmin,
        calls: Calls,
        pubsub: PubSub,
        metrics: Metrics,
        objects: Store | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.calls = calls
        self.pubsub = pubsub
        self.metrics = metrics
        self.call_times = CallTimes()
        self.history = History()
        self.reports = Reports(store, metrics, calls=self.call_times, marked=settings.marked_reports)
        self.pieces = Pieces(store, pubsub, metrics, most_bytes=settings.pieces_bytes, marked=settings.marked_reports)
        self.readiness = Readiness(store, calls)
        self.bodies = BodyBudget(settings.body_bytes_in_flight, max(settings.body_bytes_in_flight // 2, 1))
        """Of all requests of this process."""
        self.board = ActorBoard(
            open_source(settings.actors), admin, store, calls.actors, settings.transport.queue_names
        )
        self.letters = DeadLetters(transport, admin, self.board, pubsub)
        self.replays = Replays(
            store, transport, settings.transport.queue_names, objects=objects, prefixes=settings.prefixes
        )
        self.feed = EventStream(store, self.board, pubsub)
        self._admin = admin

    async def aclose(self) -> None:
        """Stop watching the actors."""
        await self.feed.close()
        await self.board.close()
        await self._admin.close()
