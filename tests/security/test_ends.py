"""Who can end, change or read another's call: nobody who only knows, or chooses, its id."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asya_protocol.reply import ErrorItem, Item
from asya_protocol.reports import ChildBody, FinalBody, ProgressBody
from asya_sidecar.core.actions import DeadLetter, RetryLater
from asya_sidecar.core.admit import Hop, Work, admit
from asya_sidecar.core.call_outcome import Replied
from asya_sidecar.core.decide import Moment, decide
from tests.support.gateway_calls import call, report, taken
from tests.support.gateway_in_process import OwnGateway, own_gateway
from tests.unit.sidecar.samples import NOW, SPAN, TRACE, envelope_bytes

MARK = "x-asya-mark"
MOMENT = Moment(NOW, 0.5, TRACE, SPAN)


async def sent(gateway: OwnGateway) -> dict[str, Any]:
    """Take the envelope of a call from its queue."""
    (envelope,) = await taken(gateway.app.calls._transport, least=1)
    return envelope


async def test_gateway_h3_an_id_alone_ends_no_call(tmp_path: Path) -> None:
    async with own_gateway(tmp_path, ASYA_GATEWAY_MARKED_REPORTS="true") as gateway, gateway.client() as http:
        envelope_id = (await call(http, "brief"))["envelope_id"]
        envelope = await sent(gateway)
        mark = envelope["headers"][MARK]
        assert len(mark) >= 32
        for shown in ({}, {"mark": ""}, {"mark": mark[:-1]}, {"mark": mark + "x"}, {"mark": envelope_id}):
            forged = await report(http, envelope_id, "final", status="succeeded", result="forged", **shown)
            assert (shown, forged.status_code) == (shown, 409)
            assert (await report(http, envelope_id, "progress", status="completed", **shown)).status_code == 409
            made = {"id": f"{envelope_id}-1", "parent_id": envelope_id, **shown}
            assert (await http.post("/envelopes", json=made)).status_code == 409
        seen = (await http.get(f"/envelopes/{envelope_id}")).json()
        assert (seen["status"], seen["result"], seen.get("children")) == ("running", None, None)
        assert mark not in json.dumps(seen)
        assert MARK not in json.dumps(seen)
        assert (
            await report(http, envelope_id, "final", status="succeeded", result="true", mark=mark)
        ).status_code == 200
        assert (await http.get(f"/envelopes/{envelope_id}")).json()["result"] == "true"


async def test_gateway_h3_children_carry_the_same_mark_and_batches_are_asked_for_it(tmp_path: Path) -> None:
    async with own_gateway(tmp_path, ASYA_GATEWAY_MARKED_REPORTS="true") as gateway, gateway.client() as http:
        envelope_id = (await call(http, "brief"))["envelope_id"]
        mark = (await sent(gateway))["headers"][MARK]
        child = f"{envelope_id}-1"

        def entries(**shown: str) -> dict[str, Any]:
            made = {"kind": "child", "body": {"id": child, "parent_id": envelope_id, "actors": ["echo"], **shown}}
            told = {"kind": "progress", "id": envelope_id, "body": {"status": "received", **shown}}
            return {"reports": [made, told]}

        assert (await http.post("/reports", json=entries())).json() == {"statuses": [409, 409]}
        assert (await http.post("/reports", json=entries(mark=mark))).json() == {"statuses": [201, 200]}
        assert (await report(http, child, "final", status="failed", error="forged")).status_code == 409
        assert (await report(http, child, "final", status="succeeded", mark=mark)).status_code == 200


async def test_gateway_h3_the_gateways_own_ends_need_no_mark(tmp_path: Path) -> None:
    async with own_gateway(tmp_path, ASYA_GATEWAY_MARKED_REPORTS="true") as gateway, gateway.client() as http:
        envelope_id = (await call(http, "brief"))["envelope_id"]
        assert (await http.post(f"/envelopes/{envelope_id}/cancel")).status_code == 200
        assert (await http.get(f"/envelopes/{envelope_id}")).json()["status"] == "failed"


async def test_gateway_h3_unless_it_is_told_sidecars_of_the_first_version_may_report(tmp_path: Path) -> None:
    async with own_gateway(tmp_path) as gateway, gateway.client() as http:
        envelope_id = (await call(http, "brief"))["envelope_id"]
        assert (await report(http, envelope_id, "final", status="succeeded")).status_code == 200


def work_with(mark: object, hop: Hop, **fields: Any) -> Work:
    work = admit(envelope_bytes(headers={MARK: mark, "x": "y"}, **fields), hop, NOW)
    assert isinstance(work, Work)
    return work


def test_gateway_h3_a_mark_stays_with_its_envelope_whatever_a_handler_returns() -> None:
    hop = Hop(actor="ocr")
    lost = Item(msgspec.Raw(b"1"), None, {"mine": 1})
    forged = Item(msgspec.Raw(b"2"), None, {MARK: "forged"})
    decision = decide(work_with("m", hop), Replied((lost, forged, Item(msgspec.Raw(b"3")))), hop, MOMENT)
    assert [json.loads(send.body)["headers"][MARK] for send in decision.sends] == ["m", "m", "m"]
    bodies = [each.body for each in decision.reports]
    assert {type(body) for body in bodies} == {ChildBody, ProgressBody}
    assert all(body.mark == "m" for body in bodies if isinstance(body, ChildBody | ProgressBody))
    none = decide(admitted(hop), Replied((forged,)), hop, MOMENT)
    assert MARK not in json.loads(none.sends[0].body)["headers"]


def admitted(hop: Hop, **fields: Any) -> Work:
    work = admit(envelope_bytes(**fields), hop, NOW)
    assert isinstance(work, Work)
    return work


@pytest.mark.parametrize("attempt", [1, 1000])
def test_gateway_h3_errors_retries_and_refusals_keep_the_mark(attempt: int) -> None:
    hop = Hop(actor="ocr")
    error = ErrorItem("processing_error", "boom", "KeyError", ("KeyError",), "")
    work = admit(envelope_bytes(headers={MARK: "m", "x-asya-attempt": attempt}), hop, NOW)
    assert isinstance(work, Work)
    decision = decide(work, Replied(error=error), hop, MOMENT)
    settlement = decision.settlement
    bodies = [settlement.body] if isinstance(settlement, RetryLater) else [send.body for send in decision.sends]
    assert [json.loads(body)["headers"][MARK] for body in bodies] == ["m"]
    refused = admit(envelope_bytes(headers={MARK: "m"}, route={"actors": ["other"]}), hop, NOW)
    assert not isinstance(refused, Work)
    assert json.loads(refused.sends[0].body)["headers"][MARK] == "m"
    broken = admit(envelope_bytes(headers={MARK: "m"}, route={"actors": 7}), hop, NOW)
    assert not isinstance(broken, Work)
    assert json.loads(broken.sends[0].body)["headers"][MARK] == "m"


@pytest.mark.parametrize("actor", ["happy-end", "error-end"])
def test_gateway_h3_the_end_shows_it(actor: str) -> None:
    hop = Hop(actor=actor, is_end_actor=True)
    decision = decide(work_with("m", hop), Replied((Item(msgspec.Raw(b"{}")),)), hop, MOMENT)
    (final,) = decision.reports
    assert isinstance(final.body, FinalBody)
    assert final.body.mark == "m"
    assert not isinstance(decision.settlement, DeadLetter)
    odd = decide(work_with({"no": "text"}, hop), Replied(), hop, MOMENT)
    assert isinstance(odd.reports[0].body, FinalBody)
    assert odd.reports[0].body.mark is None
