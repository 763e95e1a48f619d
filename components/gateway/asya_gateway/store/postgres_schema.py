"""The schema and its migrations. Version 1 is the schema of Asya 0.1.1, so that its databases can be migrated.

All missing steps run in one transaction under an advisory lock, so that replicas may start at the same time.
"""

from typing import Final, LiteralString

from psycopg import AsyncConnection, ProgrammingError
from psycopg.conninfo import conninfo_to_dict

LOCK: Final = 0x61737967
"""Advisory lock under which the schema changes."""

VERSIONS: Final = "CREATE TABLE IF NOT EXISTS asya_gateway_schema (version int PRIMARY KEY)"

ORIGINAL: Final[LiteralString] = """
CREATE TABLE IF NOT EXISTS envelopes (
    id text PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('pending', 'running', 'succeeded', 'failed', 'unknown')),
    route_actors text[] NOT NULL,
    route_current int NOT NULL DEFAULT 0,
    payload jsonb,
    result jsonb,
    error text,
    timeout_sec int,
    deadline timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    progress_percent decimal(5, 2) DEFAULT 0 CHECK (progress_percent >= 0 AND progress_percent <= 100),
    current_actor_idx int DEFAULT 0,
    current_actor_name text,
    message text,
    actors_completed int DEFAULT 0 CHECK (actors_completed >= 0),
    total_actors int DEFAULT 0 CHECK (total_actors >= 0),
    parent_id text
);
CREATE TABLE IF NOT EXISTS envelope_updates (
    id bigserial PRIMARY KEY,
    envelope_id text NOT NULL REFERENCES envelopes (id) ON DELETE CASCADE,
    status text NOT NULL,
    message text,
    result jsonb,
    error text,
    timestamp timestamptz NOT NULL DEFAULT now(),
    progress_percent decimal(5, 2),
    actor text,
    envelope_state text CHECK (envelope_state IS NULL OR envelope_state IN ('received', 'processing', 'completed'))
);
CREATE INDEX IF NOT EXISTS idx_envelopes_status ON envelopes (status);
CREATE INDEX IF NOT EXISTS idx_envelopes_created_at ON envelopes (created_at DESC);
CREATE INDEX IF NOT EXISTS idx_envelopes_updated_at ON envelopes (updated_at DESC);
CREATE INDEX IF NOT EXISTS idx_envelopes_parent_id ON envelopes (parent_id) WHERE parent_id IS NOT NULL;
"""

NUMBERED_EVENTS: Final[LiteralString] = """
DROP TRIGGER IF EXISTS update_envelopes_updated_at ON envelopes;
ALTER TABLE envelopes
    ADD COLUMN route_metadata json,
    ADD COLUMN headers json,
    ADD COLUMN events int NOT NULL DEFAULT 0,
    ALTER COLUMN payload TYPE json USING payload::json,
    ALTER COLUMN result TYPE json USING result::json;
ALTER TABLE envelope_updates
    ADD COLUMN seq int,
    ADD COLUMN actors text[],
    ADD COLUMN current_actor_idx int,
    ALTER COLUMN result TYPE json USING result::json;
UPDATE envelope_updates SET seq = numbered.seq FROM (
    SELECT id, row_number() OVER (PARTITION BY envelope_id ORDER BY timestamp, id) AS seq FROM envelope_updates
) AS numbered WHERE numbered.id = envelope_updates.id;
UPDATE envelopes SET events = counted.events FROM (
    SELECT envelope_id, count(*) AS events FROM envelope_updates GROUP BY envelope_id
) AS counted WHERE counted.envelope_id = envelopes.id;
UPDATE envelopes SET status = 'failed' WHERE status = 'unknown';
ALTER TABLE envelope_updates ALTER COLUMN seq SET NOT NULL;
CREATE UNIQUE INDEX envelope_updates_seq ON envelope_updates (envelope_id, seq);
CREATE INDEX envelopes_due ON envelopes (deadline) WHERE status IN ('pending', 'running') AND deadline IS NOT NULL;
"""
"""Asya 0.1.1's trigger would call every old envelope changed today.

``json`` keeps what users send as they wrote it; ``jsonb`` refuses a string with U+0000.
"""

LISTS: Final[LiteralString] = """
CREATE INDEX envelopes_by_creation ON envelopes (created_at DESC, id DESC);
CREATE INDEX envelopes_by_status ON envelopes (status, created_at DESC, id DESC);
CREATE INDEX envelopes_by_prefix ON envelopes (id text_pattern_ops);
CREATE INDEX envelope_updates_completed ON envelope_updates (timestamp) WHERE envelope_state = 'completed';
DROP INDEX IF EXISTS idx_envelopes_created_at;
DROP INDEX IF EXISTS idx_envelopes_status;
"""
"""The first two stand in for the two that go; every index is written with every row."""

OWNERS: Final[LiteralString] = """
ALTER TABLE envelopes ADD COLUMN owner text;
CREATE INDEX envelopes_owner ON envelopes (owner, created_at DESC, id DESC) WHERE owner IS NOT NULL AND parent_id IS NULL;
"""

FACTS: Final[LiteralString] = "ALTER TABLE envelope_updates ADD COLUMN facts json"

KEYS: Final[LiteralString] = """
CREATE TABLE asya_call_keys (
    digest text PRIMARY KEY,
    arguments text NOT NULL,
    envelope_id text NOT NULL,
    calls int NOT NULL DEFAULT 1,
    sending_until timestamptz,
    ends_at timestamptz NOT NULL
);
CREATE INDEX asya_call_keys_ends_at ON asya_call_keys (ends_at);
"""

TOP: Final[LiteralString] = """
CREATE INDEX envelopes_top ON envelopes (created_at DESC, id DESC) WHERE parent_id IS NULL;
CREATE INDEX envelopes_top_by_status ON envelopes (status, created_at DESC, id DESC) WHERE parent_id IS NULL;
"""
"""For lists and counts without what fan-outs made."""

CALLBACKS: Final[LiteralString] = """
ALTER TABLE envelopes ADD COLUMN callback json;
CREATE TABLE asya_callbacks (
    id text PRIMARY KEY,
    envelope_id text NOT NULL,
    url text NOT NULL,
    secret_ref text NOT NULL,
    body text NOT NULL,
    since timestamptz NOT NULL,
    due_at timestamptz,
    attempts int NOT NULL DEFAULT 0,
    told text NOT NULL DEFAULT ''
);
CREATE INDEX asya_callbacks_due_at ON asya_callbacks (due_at);
"""
"""Without a turn, `due_at`, it is a dead letter. No foreign key: an end is told also where its record is forgotten."""

STEPS: Final[tuple[LiteralString, ...]] = (ORIGINAL, NUMBERED_EVENTS, OWNERS, LISTS, FACTS, KEYS, TOP, CALLBACKS)


def read_url(url: str) -> dict[str, str]:
    """Parse a URL.

    Raises:
        ValueError: It is invalid; the text repeats nothing of it.
    """
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except ProgrammingError:
        raise ValueError("not a URL of a Postgres") from None


async def bring_up_to_date(connection: AsyncConnection[tuple[object, ...]]) -> None:
    """Run the missing steps."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        await connection.execute(VERSIONS)
        row = await (await connection.execute("SELECT coalesce(max(version), 0) FROM asya_gateway_schema")).fetchone()
        done = int(str(row[0])) if row else 0
        for version, step in enumerate(STEPS, 1):
            if version > done:
                await connection.execute(step)
                await connection.execute("INSERT INTO asya_gateway_schema VALUES (%s)", (version,))
