"""Replays failed envelopes for callers of the gateway, with the code of ``asya replay``; their records are opened again.

From the hop that failed it takes what error-end keeps in the object store; from its start what the record was sent with, too.
Without an object store only a start is known, and opening the record again is what makes two requests one.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Final

import msgspec

from asya_gateway.records.lifecycle import Reopened, send_failed
from asya_gateway.records.mark import mark_headers
from asya_gateway.records.record import Record
from asya_gateway.store.port import Applied, EnvelopeStore
from asya_protocol import names
from asya_protocol.envelope import Envelope, Route
from asya_protocol.errors import TransportError
from asya_protocol.status import Status
from asya_store.failures import Failures, Kept
from asya_store.port import Store
from asya_store.replays import From, Replayed, Start, perform, plan_replay
from asya_store.settings import Prefixes
from asya_transport.port import Transport

SEND_TIMEOUT_S: Final = 10.0
NOTHING_KEPT: Final = (
    "error-end keeps nothing of it; dead letters have asya dlq redrive, and --from start sends it anew"
)


class NotFailed(Exception):
    """Only what has failed can be replayed."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"Envelope is {status.value}" if not status.final else f"Envelope has {status.value}")


class Replays:
    """Replays for one mesh.

    Args:
        store: The records.
        transport: Connected.
        queue_names: Of the mesh.
        objects: The mesh's object store; ``None`` where it has none.
        prefixes: Where in it the end actors keep what they get.
    """

    def __init__(
        self,
        store: EnvelopeStore,
        transport: Transport,
        queue_names: names.QueueNames,
        *,
        objects: Store | None,
        prefixes: Prefixes,
    ) -> None:
        self._store = store
        self._transport = transport
        self._names = queue_names
        self._objects = objects
        self._failures = None if objects is None else Failures(objects, prefixes)

    async def replay(self, record: Record, begin: From, by: str, *, dry_run: bool = False) -> Replayed:
        """Replay an envelope that has failed, and of a group the children that it lacks.

        Args:
            record: As it stands.
            begin: Where it runs again from.
            by: Who wants it, for its history.
            dry_run: Only say what would be done.

        Raises:
            NotFailed: It goes on, or has succeeded.
            StoreUnavailable: A store is away.
        """
        if record.status is not Status.FAILED:
            raise NotFailed(record.status)
        chosen = [] if self._failures is None else await asyncio.to_thread(self._failures.find, record.id)
        if self._failures is None or self._objects is None or not chosen:
            return await self._anew(record, begin, by, dry_run=dry_run)
        starts = {} if begin == "hop" else await self._starts([record.id])
        plan = await asyncio.to_thread(plan_replay, self._failures, chosen, begin, starts)
        if dry_run:
            return plan.foreseen

        async def told(kept: Kept, envelope: Envelope | None) -> None:
            await self._store.report(kept.id, _reopened(kept, envelope, by))

        return await perform(plan, self._failures, self._objects, self._send, told=told, now_s=time.time())

    async def _starts(self, ids: Iterable[str]) -> dict[str, Start]:
        """What was sent of these, as far as the records have it."""
        found = {}
        for envelope_id in ids:
            record = await self._store.get(envelope_id)
            if record is not None and record.payload is not None:
                found[envelope_id] = await self._first_route(record), record.payload
        return found

    async def _first_route(self, record: Record) -> tuple[str, ...]:
        """The route that an envelope was sent with: handlers may have changed it since."""
        history = await self._store.history(record.id)
        return next((event.actors for event in history if event.actors), record.actors)

    async def _anew(self, record: Record, begin: From, by: str, *, dry_run: bool) -> Replayed:
        """Send an envelope of which only the record is known."""
        if begin == "hop":
            return Replayed(refused=[(record.id, NOTHING_KEPT)])
        if record.error == names.CANCELLED:
            return Replayed(refused=[(record.id, "it was cancelled by its caller; send it anew")])
        if record.payload is None or not record.actors:
            return Replayed(refused=[(record.id, "nobody keeps what it was sent with")])
        if dry_run:
            return Replayed([record.id])
        actors = await self._first_route(record)
        outcome = await self._store.report(record.id, Reopened(f"Sent again from its start{_by(by)}", actors, 0))
        if outcome.applied is not Applied.CHANGED:
            return Replayed(under_way=[record.id])
        extra = {} if record.metadata is None else {"metadata": msgspec.Raw(record.metadata)}
        headers = {names.HEADER_REPLAY: f"{record.events:08x}", **mark_headers(record.headers)}
        envelope = Envelope(record.id, Route(actors, 0, extra), msgspec.Raw(record.payload), headers)
        try:
            await self._send(actors[0], envelope.dump())
        except (TransportError, TimeoutError) as exc:
            await self._store.report(record.id, send_failed(str(exc) or "the broker did not confirm it"))
            return Replayed(trouble=exc)
        return Replayed([record.id])

    async def _send(self, actor: str, body: bytes) -> None:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self._transport.send(self._names.queue(actor), body)


def _reopened(kept: Kept, envelope: Envelope | None, by: str) -> Reopened:
    if envelope is None:
        return Reopened(f"Its missing children are sent again{_by(by)}")
    route = envelope.route
    return Reopened(f"Sent again from '{route.actor}'{_by(by)}", route.actors, route.current)


def _by(name: str) -> str:
    return f" by {name}" if name else ""
