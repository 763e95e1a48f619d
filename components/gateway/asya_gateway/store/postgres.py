"""Envelopes in Postgres, shared by all replicas.

A report is written only if no other event was added since the record was read, so the database orders racing reports. Its clock
decides about deadlines. ``postgres_notices`` notifies the other replicas of new events.
"""

import asyncio
import logging
import select
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, LiteralString

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from asya_gateway.records.call_key import KEPT_S, CallKey, Claim
from asya_gateway.records.delivery import delivery_of
from asya_gateway.records.lifecycle import Change, Report, apply, begun, timed_out
from asya_gateway.records.record import Event, Record
from asya_gateway.records.summary import Page, Question, Summary, cut
from asya_gateway.store.port import Applied, Outcome, Wake
from asya_gateway.store.postgres_deliveries import KEEP, PostgresDeliveries, keep_values
from asya_gateway.store.postgres_keys import FORGET_KEYS, READ_KEY, REPEAT, SENT, TAKE, TAKE_OVER
from asya_gateway.store.postgres_lists import COMPLETED, COUNTS, SOME, page_statement, read_summary
from asya_gateway.store.postgres_notices import CHANNEL, Notices
from asya_gateway.store.postgres_schema import bring_up_to_date
from asya_manifest.callback import Callback
from asya_protocol.errors import StoreUnavailable
from asya_protocol.reports import Facts
from asya_protocol.status import Status

log: Final = logging.getLogger(__name__)

TIMEOUT_S: Final = 10.0
RELISTEN_S: Final = 1.0

READ: Final[LiteralString] = """
SELECT id, route_actors, created_at, updated_at, parent_id, status, route_metadata::text, headers::text, payload::text,
    result::text, error, timeout_sec, deadline, progress_percent::float8, current_actor_idx, current_actor_name, message,
    actors_completed, events, owner, callback::text, clock_timestamp() FROM envelopes """
READ_ONE: Final[LiteralString] = READ + "WHERE id = %s"
LOCK_DUE: Final[LiteralString] = (
    READ
    + """WHERE status IN ('pending', 'running') AND deadline <= now() ORDER BY deadline LIMIT %s
FOR UPDATE SKIP LOCKED"""
)
_NOTE: Final[LiteralString] = """
INSERT INTO envelope_updates (envelope_id, seq, status, message, result, error, timestamp, progress_percent, actor,
    actors, current_actor_idx, envelope_state, facts)
SELECT id, %(events)s, %(status)s, %(e_message)s, %(e_result)s::json, %(e_error)s, %(e_timestamp)s, %(e_percent)s,
    %(e_actor)s, %(e_actors)s::text[], %(e_index)s::int, %(e_phase)s, %(e_facts)s::json FROM kept RETURNING envelope_id)
SELECT envelope_id FROM noted"""
_KEEP: Final[LiteralString] = """
kept AS (
INSERT INTO envelopes (id, message, status, route_actors, route_current, route_metadata, headers, payload, timeout_sec,
    deadline, created_at, updated_at, current_actor_idx, current_actor_name, total_actors, parent_id, events, owner, callback)
SELECT %(id)s, %(message)s, %(status)s, %(actors)s::text[], %(index)s::int, %(metadata)s::json, %(headers)s::json,
    %(payload)s::json, %(timeout_s)s::int, %(deadline)s::timestamptz, %(created_at)s, %(updated_at)s, %(index)s::int,
    %(actor)s, %(total)s::int, %(parent_id)s, %(events)s::int, %(owner)s, %(callback)s::json """
_KEPT: Final[LiteralString] = "ON CONFLICT (id) DO NOTHING RETURNING id), "
_BEGIN: Final[LiteralString] = """begun AS (
INSERT INTO envelope_updates (envelope_id, seq, status, message, timestamp, progress_percent)
SELECT id, %(b_seq)s, %(b_status)s, %(b_message)s, %(b_at)s, 0 FROM kept), """
INSERT: Final[LiteralString] = "WITH " + _KEEP + _KEPT + "noted AS (" + _NOTE
INSERT_BEGUN: Final[LiteralString] = "WITH " + _KEEP + _KEPT + _BEGIN + "noted AS (" + _NOTE
INSERT_ONCE: Final[LiteralString] = (
    "WITH " + TAKE + ", " + _KEEP + "FROM taken " + _KEPT + _BEGIN + "noted AS (" + _NOTE
)
_UPDATE: Final[LiteralString] = """
WITH kept AS (
UPDATE envelopes SET status = %(status)s, route_actors = %(actors)s, route_current = %(index)s, result = %(result)s::json,
    error = %(error)s, updated_at = %(updated_at)s, progress_percent = %(percent)s, current_actor_idx = %(index)s,
    current_actor_name = %(actor)s, message = %(message)s, actors_completed = %(completed)s, total_actors = %(total)s,
    events = %(events)s, deadline = %(deadline)s
WHERE id = %(id)s AND events = %(events)s - 1 RETURNING id), """
UPDATE: Final[LiteralString] = _UPDATE + "noted AS (" + _NOTE
UPDATE_CALLED: Final[LiteralString] = _UPDATE + KEEP + "noted AS (" + _NOTE
HISTORY: Final[LiteralString] = """
SELECT envelope_id, seq, status, timestamp, message, result::text, error, progress_percent::float8, actor, actors,
    current_actor_idx, envelope_state, facts::text
FROM envelope_updates WHERE envelope_id = %s AND seq > %s ORDER BY seq"""
CHILDREN: Final[LiteralString] = "SELECT id FROM envelopes WHERE parent_id = %s ORDER BY created_at, id"
OWNED: Final[LiteralString] = (
    READ
    + """WHERE owner = %s AND parent_id IS NULL AND (created_at, id) < (coalesce(%s::timestamptz, 'infinity'), %s)
ORDER BY created_at DESC, id DESC LIMIT %s"""
)
PURGE: Final[LiteralString] = """
WITH gone AS (
DELETE FROM envelope_updates USING envelopes
WHERE envelopes.id = envelope_id AND envelopes.status IN ('succeeded', 'failed')
    AND envelopes.updated_at < now() - %s * interval '1 second' RETURNING envelope_id)
SELECT count(DISTINCT envelope_id) FROM gone"""

FORGET: Final[LiteralString] = """
WITH gone AS (
DELETE FROM envelopes WHERE id IN (
    SELECT id FROM envelopes WHERE status IN ('succeeded', 'failed') AND updated_at < now() - %s * interval '1 second'
    LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING id)
SELECT count(*) FROM gone"""

NOTIFY: Final[LiteralString] = "SELECT pg_notify(%s, told) FROM unnest(%s::text[]) AS told"


class PostgresStore:
    """One database.

    Args:
        url: Where it is.
        min_connections: Kept open.
        max_connections: At most open, besides one that listens.
    """

    def __init__(self, url: str, min_connections: int = 2, max_connections: int = 10) -> None:
        self._url = url
        self._pool: AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]] = AsyncConnectionPool(
            url,
            min_size=min_connections,
            max_size=max_connections,
            timeout=TIMEOUT_S,
            open=False,
            kwargs={"autocommit": True, "connect_timeout": int(TIMEOUT_S)},
            check=_check,
        )
        self._listener: asyncio.Task[None] | None = None
        self._notices = Notices(self._notify)
        self.deliveries = PostgresDeliveries(self._rows)

    async def open(self, wake: Wake) -> None:
        """Connect, bring the schema up to date, and listen."""
        self._notices.wake = wake
        with _translated():
            await self._pool.open(wait=True, timeout=TIMEOUT_S)
            async with self._pool.connection() as connection:
                await bring_up_to_date(connection)
        self._listener = asyncio.create_task(self._listen())

    async def ping(self) -> None:
        """Run a query."""
        await self._rows("SELECT 1")

    async def create(self, record: Record, first: Report | None = None) -> bool:
        """Keep a new record."""
        changes = begun(record, first, record.created_at)
        statement = INSERT if len(changes) == 1 else INSERT_BEGUN
        kept = bool(await self._rows(statement, _first_values(changes)))
        if kept:
            self._notices.tell(record.id)
        return kept

    async def create_once(self, record: Record, first: Report, key: CallKey, sending_s: float) -> Claim:
        """Keep a new record, once for a key: the key's row and the record come with one statement."""
        values = _first_values(begun(record, first, record.created_at))
        taken = {"digest": key.digest, "arguments": key.arguments, "sending_s": sending_s, "kept_s": KEPT_S}
        while True:
            if await self._rows(INSERT_ONCE, {**values, **taken}):
                self._notices.tell(record.id)
                return Claim(record.id, key.arguments, 1, None)
            if rows := await self._rows(REPEAT, (key.digest,)):
                return Claim(*rows[0])

    async def claim(self, key: CallKey) -> Claim | None:
        """Read a key's row."""
        rows = await self._rows(READ_KEY, (key.digest,))
        return Claim(*rows[0]) if rows else None

    async def claim_sent(self, key: CallKey) -> None:
        """Note that it is sent."""
        await self._rows(SENT, (key.digest,))

    async def take_over(self, key: CallKey, sending_s: float) -> bool:
        """Take over the sending."""
        return bool(await self._rows(TAKE_OVER, (sending_s, key.digest)))

    async def get(self, envelope_id: str) -> Record | None:
        """Read a record."""
        rows = await self._rows(READ_ONE, (_clean(envelope_id),))
        return _record(rows[0]) if rows else None

    async def children(self, envelope_id: str) -> list[str]:
        """Ids of the children."""
        return [row[0] for row in await self._rows(CHILDREN, (_clean(envelope_id),))]

    async def owned(self, owner: str, limit: int, after: tuple[datetime, str] | None = None) -> list[Record]:
        """Records of one owner."""
        created_at, last_id = after or (None, "")
        return [_record(row) for row in await self._rows(OWNED, (owner, created_at, last_id, limit))]

    async def announce(self, topic: str) -> None:
        """Wake streams of every replica."""
        self._notices.tell(topic)

    async def report(self, envelope_id: str, report: Report) -> Outcome:
        """Apply a report; read the record again when another report was written in between."""
        while True:
            rows = await self._rows(READ_ONE, (_clean(envelope_id),))
            if not rows:
                return Outcome(Applied.UNKNOWN)
            record, now = _record(rows[0]), rows[0][-1]
            change = apply(record, report, now)
            if change is None:
                return Outcome(Applied.FINAL_BEFORE, record)
            if await self._rows(*_update(change)):
                self._notices.tell(record.id)
                return Outcome(Applied.CHANGED, change.record)

    async def history(self, envelope_id: str, after: int = 0) -> list[Event]:
        """Events after a number."""
        return [_event(row) for row in await self._rows(HISTORY, (_clean(envelope_id), after))]

    async def page(self, question: Question) -> Page:
        """List envelopes."""
        return cut([read_summary(row) for row in await self._rows(*page_statement(question))], question.limit)

    async def summaries(self, ids: Sequence[str]) -> list[Summary]:
        """Summarise some."""
        return [read_summary(row) for row in await self._rows(SOME, ([_clean(each) for each in ids],))]

    async def counts(self, most: int) -> Mapping[Status, int]:
        """Count by state."""
        rows = await self._rows(COUNTS, {"most": most})
        return {Status(row[0]): row[1] for row in rows}

    async def completed(self, within_s: float) -> Mapping[str, int]:
        """Count completions."""
        return {row[0]: row[1] for row in await self._rows(COMPLETED, (within_s,))}

    async def expire(self, limit: int = 100) -> list[str]:
        """Fail envelopes that are due, except those that another replica has locked."""
        expired = []
        async with self._transaction() as connection:
            for row in await (await connection.execute(LOCK_DUE, (limit,))).fetchall():
                change = apply(_record(row), timed_out(), row[-1])
                if change is not None:
                    await connection.execute(*_update(change))
                    expired.append(change.record.id)
        for envelope_id in expired:
            self._notices.tell(envelope_id)
        return expired

    async def purge(self, older_than_s: float) -> int:
        """Remove old histories."""
        await self._rows(FORGET_KEYS)
        rows = await self._rows(PURGE, (older_than_s,))
        return int(rows[0][0])

    async def forget(self, older_than_s: float, limit: int = 1000) -> int:
        """Remove old records; their histories go with them."""
        return int((await self._rows(FORGET, (older_than_s, limit)))[0][0])

    async def close(self) -> None:
        """Stop listening and close the connections."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        await self._notices.close()
        await self._pool.close()

    async def _notify(self, payloads: list[str]) -> None:
        await self._rows(NOTIFY, (CHANNEL, payloads))

    async def _rows(
        self, statement: LiteralString, values: Sequence[object] | Mapping[str, object] = ()
    ) -> list[tuple[Any, ...]]:
        with _translated():
            async with self._pool.connection() as connection:
                return await (await connection.execute(statement, values)).fetchall()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection[tuple[Any, ...]]]:
        with _translated():
            async with self._pool.connection() as connection, connection.transaction():
                yield connection

    async def _listen(self) -> None:
        """Wake streams of this process on new events of any replica; after a gap, all of them."""
        while True:
            try:
                async with await AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._notices.wake("")
                    async for notice in connection.notifies():
                        self._notices.hear(notice.payload)
            except (psycopg.Error, OSError) as exc:
                log.warning("not listening to the database", extra={"error": _words(exc), "retry_in_s": RELISTEN_S})
            await asyncio.sleep(RELISTEN_S)


async def _check(connection: AsyncConnection[tuple[Any, ...]]) -> None:
    """Check an idle connection without a query.

    Only a server that closes the connection sends data to an idle one.
    """
    look = select.poll()  # select.select knows no descriptor over 1023
    look.register(connection.fileno(), select.POLLIN)
    if look.poll(0):
        await AsyncConnectionPool.check_connection(connection)


class _translated:  # noqa: N801 - used as a statement
    """Translate psycopg's errors."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, exc: BaseException | None, _trace: object) -> None:
        if isinstance(exc, psycopg.Error | PoolTimeout | OSError):
            raise StoreUnavailable(f"envelope database: {_words(exc)}") from exc


def _words(exc: BaseException) -> str:
    return str(exc).strip() or type(exc).__name__


def _clean(text: str | None) -> str | None:
    """Replace U+0000, the only character that Postgres's text cannot hold."""
    return None if text is None else text.replace("\x00", "\ufffd")


def _json(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8")


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode("utf-8")


def _first_values(changes: Sequence[Change]) -> Mapping[str, object]:
    event = changes[0].event
    begin = {"b_seq": event.seq, "b_status": event.status.value, "b_message": event.message, "b_at": event.timestamp}
    return {**begin, **_values(changes[-1])}


def _update(change: Change) -> tuple[LiteralString, Mapping[str, object]]:
    delivery = delivery_of(change.record)
    if delivery is None:
        return UPDATE, _values(change)
    return UPDATE_CALLED, {**_values(change), **keep_values(delivery)}


def _values(change: Change) -> Mapping[str, object]:
    record, event = change.record, change.event
    return {
        "id": record.id,
        "status": record.status.value,
        "actors": [_clean(actor) for actor in record.actors],
        "index": record.current_actor_idx,
        "metadata": _json(record.metadata),
        "headers": _json(record.headers),
        "payload": _json(record.payload),
        "result": _json(record.result),
        "error": _clean(record.error),
        "timeout_s": record.timeout_s,
        "deadline": record.deadline,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "percent": record.progress_percent,
        "actor": _clean(record.current_actor_name),
        "message": _clean(record.message),
        "completed": record.actors_completed,
        "total": len(record.actors),
        "parent_id": _clean(record.parent_id),
        "events": record.events,
        "owner": record.owner,
        "callback": None if record.callback is None else _json(msgspec.json.encode(record.callback)),
        "e_message": _clean(event.message),
        "e_result": _json(event.result),
        "e_error": _clean(event.error),
        "e_timestamp": event.timestamp,
        "e_percent": event.progress_percent,
        "e_actor": _clean(event.actor),
        "e_actors": None if event.actors is None else [_clean(actor) for actor in event.actors],
        "e_index": event.current_actor_idx,
        "e_phase": event.phase,
        "e_facts": None if event.facts is None else _json(msgspec.json.encode(event.facts)),
    }


def _record(row: tuple[Any, ...]) -> Record:
    deadline: datetime | None = row[12]
    return Record(
        id=row[0],
        actors=tuple(row[1]),
        created_at=row[2],
        updated_at=row[3],
        parent_id=row[4],
        status=Status(row[5]),
        metadata=_bytes(row[6]),
        headers=_bytes(row[7]),
        payload=_bytes(row[8]),
        result=_bytes(row[9]),
        error=row[10] or None,
        timeout_s=row[11],
        deadline=deadline,
        progress_percent=row[13] or 0.0,
        current_actor_idx=row[14] or 0,
        current_actor_name=row[15],
        message=row[16],
        actors_completed=row[17] or 0,
        events=row[18],
        owner=row[19],
        callback=None if row[20] is None else msgspec.json.decode(row[20], type=Callback),
    )


def _event(row: tuple[Any, ...]) -> Event:
    return Event(
        envelope_id=row[0],
        seq=row[1],
        status=Status(row[2]),
        timestamp=row[3],
        message=row[4],
        result=_bytes(row[5]),
        error=row[6] or None,
        progress_percent=row[7],
        actor=row[8],
        actors=None if row[9] is None else tuple(row[9]),
        current_actor_idx=row[10],
        phase=row[11],
        facts=None if row[12] is None else msgspec.json.decode(row[12], type=Facts),
    )
