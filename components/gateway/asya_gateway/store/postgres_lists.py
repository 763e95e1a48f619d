"""Statements of the Postgres store that list and count envelopes, and the parsing of their rows."""

from collections.abc import Mapping
from typing import Any, Final, LiteralString

from asya_gateway.records.summary import Question, Summary
from asya_protocol.status import Status

LIST: Final[LiteralString] = r"""
SELECT id, route_actors, created_at, updated_at, parent_id, status, left(error, 300), deadline, progress_percent::float8,
    current_actor_idx, current_actor_name, message, actors_completed,
    CASE WHEN status = 'failed' AND result::text !~* '\\u(0000|d[89a-f])' THEN
        CASE WHEN json_typeof(result) = 'object' AND json_typeof(result -> 'details') = 'object' THEN
            left(concat_ws(': ', result -> 'details' ->> 'type', result -> 'details' ->> 'message'), 300) END END
FROM envelopes """
"""JSON may contain characters that Postgres's text cannot hold; extracting them would fail the whole list."""
SOME: Final[LiteralString] = LIST + "WHERE id = ANY(%s) ORDER BY created_at DESC, id DESC"
COUNTS: Final[LiteralString] = """
SELECT 'pending', count(*) FROM (SELECT 1 FROM envelopes WHERE status = 'pending' AND parent_id IS NULL
    LIMIT %(most)s) AS some_pending UNION ALL
SELECT 'running', count(*) FROM (SELECT 1 FROM envelopes WHERE status = 'running' AND parent_id IS NULL
    LIMIT %(most)s) AS some_running UNION ALL
SELECT 'succeeded', count(*) FROM (SELECT 1 FROM envelopes WHERE status = 'succeeded' AND parent_id IS NULL
    LIMIT %(most)s) AS some_good UNION ALL
SELECT 'failed', count(*) FROM (SELECT 1 FROM envelopes WHERE status = 'failed' AND parent_id IS NULL
    LIMIT %(most)s) AS some_failed"""
"""States are literals, so that the planner knows which are rare: as parameters each would scan the whole table."""
COMPLETED: Final[LiteralString] = """
SELECT actor, count(*) FROM envelope_updates
WHERE envelope_state = 'completed' AND timestamp > now() - %s * interval '1 second' AND actor IS NOT NULL
GROUP BY actor"""
"""By ``now()``: with a clock that moves within the statement no index could be used."""


def page_statement(question: Question) -> tuple[LiteralString, Mapping[str, object]]:
    """Build the statement that selects one entry more than a page, and its values.

    Conditions that are not needed are left out: with catch-all conditions the planner would not use the indexes.
    """
    statement: LiteralString = LIST + "WHERE true"
    values: dict[str, object] = {"limit": question.limit + 1}
    if question.statuses:
        statement += " AND status = ANY(%(statuses)s)"
        values["statuses"] = sorted(status.value for status in question.statuses)
    if question.prefix:
        statement += " AND id LIKE %(pattern)s"
        values["pattern"] = _pattern(question.prefix)
    if question.top:
        statement += " AND parent_id IS NULL"
    if question.after is not None:
        statement += " AND (created_at, id) < (%(created_at)s, %(id)s)"
        values |= {"created_at": question.after.created_at, "id": _clean(question.after.id)}
    return statement + " ORDER BY created_at DESC, id DESC LIMIT %(limit)s", values


def read_summary(row: tuple[Any, ...]) -> Summary:
    """Parse a row of ``LIST``."""
    return Summary(
        id=row[0],
        actors=tuple(row[1]),
        created_at=row[2],
        updated_at=row[3],
        parent_id=row[4],
        status=Status(row[5]),
        error=row[6] or None,
        deadline=row[7],
        progress_percent=row[8] or 0.0,
        current_actor_idx=row[9] or 0,
        current_actor_name=row[10],
        message=row[11],
        actors_completed=row[12] or 0,
        reason=row[13] or None,
    )


def _pattern(prefix: str) -> str:
    for letter in "\\%_":
        prefix = prefix.replace(letter, f"\\{letter}")
    return _clean(prefix) + "%"


def _clean(text: str) -> str:
    return text.replace("\x00", "\ufffd")
