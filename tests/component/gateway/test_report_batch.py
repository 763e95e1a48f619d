"""Many reports in one request: each is taken or refused for itself, in their order."""

from typing import Any

import httpx2

from asya_gateway.routes.reports import MOST
from asya_transport.port import Transport
from tests.support.gateway_calls import TOKEN, call
from tests.support.gateway_process import Gateway


def progress(envelope_id: str, phase: str, index: int = 0) -> dict[str, Any]:
    body = {"actors": ["echo", "shout"], "current_actor_idx": index, "status": phase, "message": f"{phase} {index}"}
    return {"kind": "progress", "id": envelope_id, "body": body}


async def post(http: httpx2.AsyncClient, *reports: object) -> list[int]:
    answer = await http.post("/reports", json={"reports": reports})
    assert answer.status_code == 200, answer.text
    statuses: list[int] = answer.json()["statuses"]
    return statuses


async def test_each_report_has_the_status_of_its_own_route(gateway: Gateway, broker: Transport) -> None:
    async with gateway.client() as http:
        parent, done = [(await call(http, text="hi"))["envelope_id"] for _ in range(2)]
        await http.post(f"/envelopes/{done}/final", json={"status": "succeeded", "result": 1})
        statuses = await post(
            http,
            progress(parent, "received"),
            progress(parent, "processing"),
            {"kind": "child", "body": {"id": f"{parent}-1", "parent_id": parent, "actors": ["echo"], "current": 1}},
            progress(f"{parent}-1", "received"),
            progress("nobody", "received"),
            {"kind": "child", "body": {"parent_id": parent}},
            {"kind": "child", "body": {"id": done, "parent_id": parent}},
            progress(done, "received"),
            {"kind": "progress", "id": parent, "body": {"current_actor_idx": "many"}},
            {"kind": "progress"},
            progress(parent, "completed", 1),
        )
        assert statuses == [200, 200, 201, 200, 404, 400, 409, 200, 400, 404, 200]
        shown = (await http.get(f"/envelopes/{parent}")).json()
        ended = (await http.get(f"/envelopes/{done}")).json()
    assert (shown["message"], shown["progress_percent"], shown["children"]) == ("completed 1", 100.0, [f"{parent}-1"])
    assert (ended["status"], ended["result"]) == ("succeeded", 1), "too late, and of no effect"


async def test_a_batch_that_is_none_is_refused_whole(gateway: Gateway) -> None:
    async with gateway.client() as http:
        envelope_id = (await call(http, text="hi"))["envelope_id"]
        for body in ({}, {"reports": [{"kind": "final", "id": envelope_id}]}, {"reports": "all"}):
            assert (await http.post("/reports", json=body)).status_code == 400
        many = [progress(envelope_id, "received")] * (MOST + 1)
        answer = await http.post("/reports", json={"reports": many})
        assert (answer.status_code, answer.text) == (400, f"More than {MOST} reports in one request\n")
        assert (await http.get(f"/envelopes/{envelope_id}")).json()["message"] == "Sending envelope to first actor"
        assert await post(http) == []


async def test_only_who_may_report_may_report_many(environ: dict[str, str]) -> None:
    tokens = {"ASYA_GATEWAY_AUTH": "tokens", "ASYA_GATEWAY_TOKENS": f"{TOKEN}1|read {TOKEN}2|report"}
    with Gateway({**environ, **tokens}) as gateway:
        for token, status in ((f"{TOKEN}1", 403), (f"{TOKEN}2", 200)):
            async with gateway.client(token) as http:
                assert (await http.post("/reports", json={"reports": []})).status_code == status


async def test_a_place_that_no_database_holds_is_no_report(gateway: Gateway) -> None:
    async with gateway.client() as http:
        envelope_id = (await call(http, text="hi"))["envelope_id"]
        for index, status in ((2**31 - 1, 200), (2**31, 400), (-(2**31), 200), (-(2**31) - 1, 400)):
            assert await post(http, progress(envelope_id, "received", index)) == [status]
            answer = await http.post(f"/envelopes/{envelope_id}/progress", json={"current_actor_idx": index})
            assert (index, answer.status_code) == (index, status)
