"""A database as gateways of Asya 0.1.1 leave it behind: everything that is in it stays, and goes on living.

The schema is written down here from Asya 0.1.1's description (its Sqitch changes 001 to 004), not taken from our code.
"""

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest

from asya_gateway.records.lifecycle import Ended
from asya_gateway.records.record import Record
from asya_gateway.store.port import Applied
from asya_gateway.store.postgres import PostgresStore
from asya_protocol.status import Status
from lab.servers.postgres import PostgresServer, postgres

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")

SCHEMA = """
CREATE SCHEMA sqitch;
CREATE TABLE sqitch.changes (change_id text PRIMARY KEY, change text NOT NULL);
INSERT INTO sqitch.changes VALUES ('1', '001'), ('2', '002'), ('3', '003'), ('4', '004');
CREATE TABLE envelopes (
    id text PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('pending', 'running', 'succeeded', 'failed', 'unknown')),
    route_actors text[] NOT NULL, route_current int NOT NULL DEFAULT 0,
    payload jsonb, result jsonb, error text, timeout_sec int, deadline timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE envelopes
    ADD COLUMN progress_percent decimal(5,2) DEFAULT 0 CHECK (progress_percent >= 0 AND progress_percent <= 100),
    ADD COLUMN current_actor_idx int DEFAULT 0, ADD COLUMN current_actor_name text, ADD COLUMN message text,
    ADD COLUMN actors_completed int DEFAULT 0 CHECK (actors_completed >= 0),
    ADD COLUMN total_actors int DEFAULT 0 CHECK (total_actors >= 0),
    ADD COLUMN parent_id text;
CREATE TABLE envelope_updates (
    id bigserial PRIMARY KEY, envelope_id text NOT NULL REFERENCES envelopes (id) ON DELETE CASCADE,
    status text NOT NULL, message text, result jsonb, error text, timestamp timestamptz NOT NULL DEFAULT now(),
    progress_percent decimal(5,2), actor text,
    envelope_state text CHECK (envelope_state IS NULL OR envelope_state IN ('received', 'processing', 'completed'))
);
CREATE INDEX idx_envelopes_status ON envelopes (status);
CREATE INDEX idx_envelopes_created_at ON envelopes (created_at DESC);
CREATE INDEX idx_envelopes_updated_at ON envelopes (updated_at DESC);
CREATE INDEX idx_envelopes_deadline ON envelopes (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX idx_envelopes_progress ON envelopes (progress_percent) WHERE progress_percent < 100;
CREATE INDEX idx_envelopes_parent_id ON envelopes (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX idx_envelope_updates_envelope_id ON envelope_updates (envelope_id, timestamp DESC);
CREATE INDEX idx_envelope_updates_timestamp ON envelope_updates (timestamp DESC);
CREATE FUNCTION update_updated_at_column() RETURNS trigger AS $$
BEGIN NEW.updated_at = now(); RETURN NEW; END; $$ LANGUAGE plpgsql;
"""
DATA = """
INSERT INTO envelopes (id, status, route_actors, payload, result, error, deadline, total_actors, parent_id, message,
    progress_percent, created_at, updated_at) VALUES
('late', 'running', '{a,b}', '{"n": 1}', NULL, '', now() - interval '1 hour', 2, NULL, 'Processing', 25, now(), now()),
('open', 'pending', '{a,b}', '{"text": "ä"}', NULL, NULL, NULL, 2, NULL, NULL, 0, now(), now()),
('done', 'succeeded', '{a}', 'null', '{"r": [1, 2]}', '', NULL, 1, NULL, 'Envelope completed successfully', 100,
    '2025-11-01Z', '2025-11-02Z'),
('done-1', 'failed', '{a}', NULL, NULL, 'no paper', NULL, 1, 'done', 'Envelope failed: no paper', 100,
    '2025-11-01Z', '2025-11-02Z'),
('odd', 'unknown', '{}', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, now(), now());
INSERT INTO envelope_updates (envelope_id, status, message, progress_percent, envelope_state, timestamp, result) VALUES
('late', 'pending', NULL, 0, NULL, '2025-11-01T00:00:00Z', NULL),
('late', 'running', 'r', 5, 'received', '2025-11-01T00:00:01Z', NULL),
('late', 'running', 'p', 25, 'processing', '2025-11-01T00:00:01Z', NULL),
('done', 'succeeded', 'm', 100, NULL, '2025-11-02Z', '{"r": [1, 2]}');
CREATE TRIGGER update_envelopes_updated_at BEFORE UPDATE ON envelopes
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
"""


async def test_it_goes_up_with_its_data_while_three_replicas_start(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(SCHEMA)
        await connection.execute(DATA)
    stores = [PostgresStore(url, 1, 2) for _ in range(3)]
    await asyncio.gather(*(store.open(lambda _: None) for store in stores))
    store = stores[0]
    assert [(event.seq, event.message) for event in await store.history("late")] == [(1, None), (2, "r"), (3, "p")]
    assert await store.expire() == ["late"]
    assert [event.status.value for event in await store.history("late", 3)] == ["failed"]
    done = await store.get("done")
    assert done is not None
    assert (done.status, done.result, done.error, done.events) == (Status.SUCCEEDED, b'{"r": [1, 2]}', None, 1)
    assert (done.created_at, done.updated_at) == (datetime(2025, 11, 1, tzinfo=UTC), datetime(2025, 11, 2, tzinfo=UTC))
    assert await store.children("done") == ["done-1"]
    failed, odd = await store.get("done-1"), await store.get("odd")
    assert failed is not None
    assert odd is not None
    assert (failed.error, failed.parent_id, odd.status, odd.progress_percent) == ("no paper", "done", Status.FAILED, 0)
    opened = await store.get("open")
    assert opened is not None
    assert opened.payload == '{"text": "ä"}'.encode()
    assert (await store.report("open", Ended(succeeded=True, result=b"1"))).applied is Applied.CHANGED
    assert (await store.report("done", Ended(succeeded=False))).applied is Applied.FINAL_BEFORE
    now = datetime.now(UTC)
    assert await store.create(Record("new", ("a",), now, now, owner="me"))
    assert await store.purge(3600) >= 1
    assert (await store.history("done"), await store.get("done")) == ([], done)
    await asyncio.gather(*(each.close() for each in stores))
