"""A database that goes away in the middle of a batch fails the reports that it did not get, and no others."""

from typing import Any, cast

import msgspec
import pytest

from asya_gateway.records.record import Record
from asya_gateway.requests import Rooms
from asya_gateway.routes import report_batch
from asya_gateway.routes.report_batch import BatchEntry
from asya_gateway.routes.reports import ChildBody, ProgressBody
from asya_protocol.errors import StoreUnavailable


@pytest.mark.parametrize("kind", ["progress", "child"])
async def test_a_report_that_the_database_did_not_get_is_one_to_send_again(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    async def progress(_here: Rooms, envelope_id: str, _body: ProgressBody) -> Record | None:
        if envelope_id == "away":
            raise StoreUnavailable("the database")
        taken.append(envelope_id)
        return None

    async def child(here: Rooms, body: ChildBody) -> None:
        await progress(here, body.id or "", ProgressBody())

    monkeypatch.setattr(report_batch, "take_progress", progress)
    monkeypatch.setattr(report_batch, "take_child", child)
    entries = [
        BatchEntry(cast(Any, kind), name, msgspec.Raw(b'{"id": "%s"}' % name.encode())) for name in ("a", "away")
    ]
    good = 201 if kind == "child" else 200
    assert [await report_batch._take(cast(Rooms, None), entry) for entry in (*entries, entries[0])] == [good, 503, good]
    assert taken == ["a", "a"]
