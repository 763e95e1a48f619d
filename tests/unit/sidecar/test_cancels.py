"""Whose cancel stops an envelope, and how a cancelled one ends."""

from pathlib import Path
from typing import Any

import pytest

from asya_protocol.envelope import ancestors
from asya_protocol.reply import ErrorItem
from asya_sidecar.admission import Admission
from asya_sidecar.core.actions import Ack, Release
from asya_sidecar.core.admit import Hop, Work
from asya_sidecar.core.call_outcome import Replied
from asya_sidecar.core.decide import Moment, cancelled, decide
from asya_store.cancel_list import CancelList
from asya_store.folder import FolderStore
from tests.unit.sidecar.samples import NOW, MakeWork, sent


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        ({"id": "e1"}, []),
        ({"id": "job-2-10", "headers": {"x-asya-lineage": [0, 3]}}, ["job-2", "job"]),
        ({"id": "report-2026-11-30", "headers": {"x-asya-lineage": [0]}}, ["report-2026-11"]),
        ({"id": "report-2026-11-30"}, []),
        ({"id": "a-b", "headers": {"x-asya-lineage": "0"}}, []),
        ({"id": "own", "parent_id": "p"}, ["p"]),
        ({"id": "p-1", "parent_id": "p", "headers": {"x-asya-lineage": [2]}}, ["p"]),
        ({"id": "-1"}, []),
    ],
)
def test_an_envelope_is_cancelled_with_those_whose_fan_outs_made_it(
    make_work: MakeWork, fields: dict[str, Any], ids: list[str]
) -> None:
    """Which those are its mark says, never the shape of its name."""
    assert list(ancestors(make_work(**fields).envelope)) == ids


def test_a_cancelled_envelope_ends_in_error_end(make_work: MakeWork, hop: Hop) -> None:
    decision = cancelled(make_work(), hop)
    assert isinstance(decision.settlement, Ack)
    assert (decision.result, decision.failed_reason) == ("cancelled", None)
    (send,) = decision.sends
    assert (send.actor, sent(send.body)["payload"]["error"]) == ("error-end", "Cancelled by its caller")


async def test_a_collector_hears_that_a_child_was_cancelled(make_work: MakeWork, hop: Hop, tmp_path: Path) -> None:
    """The word about it is no envelope of its caller's; taken for one, its group would wait for its time limit."""
    entry = {"group": "p@0", "index": 1, "count": 2}
    route = {"actors": ["ocr", "fan-in"], "current": 0}
    child = make_work(id="p-1", parent_id="p", route=route, headers={"x-asya-fan-in": [entry]})
    error, notice = cancelled(child, hop).sends
    assert (error.actor, notice.actor) == ("error-end", "fan-in")
    cancels = CancelList(FolderStore(tmp_path), NOW.timestamp)
    cancels.add("p-1", NOW.timestamp())
    collector = Hop("fan-in", is_collector=True)
    assert isinstance(await Admission(collector, cancels=cancels, listen_s=1.0).let_in(notice.body), Work)


def test_an_interrupted_call_costs_its_envelope_nothing(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    decision = decide(make_work(), Replied(error=ErrorItem("interrupted", "another's end")), hop, moment)
    assert isinstance(decision.settlement, Release)
    assert decision.sends == ()
