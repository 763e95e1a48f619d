"""A database that goes away in the middle of a batch fails the reports that it did not get, and no others."""

import json
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from asya_gateway.metrics import Metrics
from asya_gateway.records.body import evidence_of
from asya_gateway.records.lifecycle import Report
from asya_gateway.records.mark import marked, without_mark
from asya_gateway.records.record import Record
from asya_gateway.reports import Reports
from asya_gateway.routes.reports import take_entry
from asya_gateway.store.memory import MemoryStore
from asya_gateway.store.port import Outcome
from asya_manifest.explanation import explain
from asya_protocol.errors import StoreUnavailable
from asya_protocol.reports import BatchEntry, ChildBody


class Store(MemoryStore):
    """A database that is away for one envelope."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[str] = []

    def _take(self, envelope_id: str) -> None:
        if envelope_id == "away":
            raise StoreUnavailable("the database")
        self.taken.append(envelope_id)

    async def create(self, record: Record, first: Report | None = None) -> bool:
        self._take(record.id)
        return await super().create(record, first)

    async def report(self, envelope_id: str, report: Report) -> Outcome:
        self._take(envelope_id)
        return await super().report(envelope_id, report)


@pytest.mark.parametrize("kind", ["progress", "child"])
async def test_a_report_that_the_database_did_not_get_is_one_to_send_again(kind: str) -> None:
    store = Store()
    now = datetime.now(UTC)
    if kind == "progress":
        await MemoryStore.create(store, Record("a", ("x",), now, now))
    entries = [
        BatchEntry(cast(Any, kind), name, msgspec.Raw(b'{"id": "%s"}' % name.encode())) for name in ("a", "away")
    ]
    good = 201 if kind == "child" else 200
    reports = Reports(store, Metrics())
    assert [await take_entry(reports, entry) for entry in (*entries, entries[0])] == [good, 503, good]
    assert store.taken == ["a", "a"]


@pytest.mark.parametrize(("until", "kept"), [("2062-01-01T00:00:00+01:00", "2061-12-31T23:00:00Z"), ("soon", None)])
async def test_a_child_that_waits_for_its_moment_says_so(until: str, kept: str | None) -> None:
    store, now = MemoryStore(), datetime.now(UTC)
    await store.create(Record("p", ("a", "b"), now, now, headers=marked({}, "m")))
    body = ChildBody("p-1", "p", ["a", "b"], 1, "m", until)
    child = await Reports(store, Metrics(), marked=True).child(body)
    assert isinstance(child, Record)
    assert (until_of := json.loads(without_mark(child.headers) or b"{}").get("x-asya-not-before")) == kept
    because = explain(evidence_of(child, await store.history("p-1"), None, now.timestamp())).because
    assert because.startswith(f"it waits at b until {until_of}" if kept else "it waits in the queue of b")
