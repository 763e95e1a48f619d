"""A call at the gateway begins a trace, or goes on with its caller's, and says which it is."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from asya_protocol import names
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueSpec, Transport
from asya_transport.settings import read_transport_settings
from lab.servers.otlp import OtlpReceiver, wait_for_spans
from tests.support.gateway_calls import call, taken
from tests.support.gateway_process import SESSION, TOOLS, Gateway

TRACE, CALLER = "a" * 32, "b" * 16
PARENT = f"00-{TRACE}-{CALLER}-01"


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as running:
        yield running


@pytest.fixture
async def broker(memory_environ: dict[str, str]) -> AsyncIterator[Transport]:
    settings = read_transport_settings(memory_environ)
    admin, transport = open_admin(settings), open_transport(settings)
    queue = names.QueueNames().queue("echo")
    await admin.create(queue, QueueSpec())
    await transport.connect()
    yield transport
    await transport.close()
    await admin.delete(queue, force=True)
    await admin.close()


@pytest.fixture
async def http(
    request: pytest.FixtureRequest,
    memory_environ: dict[str, str],
    receiver: OtlpReceiver,
    tmp_path: Any,
    broker: Transport,
) -> AsyncIterator[httpx2.AsyncClient]:
    (tmp_path / "tools.yaml").write_text(TOOLS)
    traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.http_url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    on = getattr(request, "param", True)
    gateway = Gateway(
        {
            **memory_environ,
            "ASYA_GATEWAY_AUTH": "off",
            "ASYA_CONFIG_PATH": str(tmp_path / "tools.yaml"),
            "ASYA_TRACE_URL": "https://traces.example/{trace_id}",
            **(traces if on else {}),
        }
    )
    try:
        async with httpx2.AsyncClient(base_url=gateway.url, timeout=60) as client:
            yield client
    finally:
        gateway.stop()


async def test_a_call_begins_a_trace_and_names_it(
    http: httpx2.AsyncClient, broker: Transport, receiver: OtlpReceiver
) -> None:
    envelope_id = (await call(http, "brief"))["envelope_id"]
    (sent,) = await taken(broker, least=1)
    spans = {span.name: span for span in wait_for_spans(receiver, 2)}
    made, send = spans["tools/call brief"], spans["send asya-echo"]
    assert sent["headers"]["traceparent"] == f"00-{send.trace_id}-{send.span_id}-01"
    assert sent["headers"]["x-asya-trace"]["root"] == send.span_id
    assert (send.parent_id, made.parent_id, made.service) == (made.span_id, "", "asya-gateway")
    assert send.attributes["messaging.message.id"] == envelope_id
    for path in (f"/envelopes/{envelope_id}", f"/api/v1/envelopes/{envelope_id}"):
        shown = (await http.get(path)).json()
        assert shown["trace_id"] == send.trace_id
        assert shown["trace_url"] == f"https://traces.example/{send.trace_id}"


async def test_a_call_goes_on_with_the_trace_of_its_http_headers(
    http: httpx2.AsyncClient, broker: Transport, receiver: OtlpReceiver
) -> None:
    http.headers.update({"traceparent": PARENT, "tracestate": "vendor=1"})
    await call(http, "brief")
    (sent,) = await taken(broker, least=1)
    spans = {span.name: span for span in wait_for_spans(receiver, 2)}
    assert (spans["tools/call brief"].trace_id, spans["tools/call brief"].parent_id) == (TRACE, CALLER)
    assert sent["headers"]["traceparent"].startswith(f"00-{TRACE}-")
    assert sent["headers"]["tracestate"] == "vendor=1"


async def test_a_call_goes_on_with_the_trace_of_mcps_meta(
    http: httpx2.AsyncClient, broker: Transport, receiver: OtlpReceiver
) -> None:
    params = {"name": "brief", "arguments": {}, "_meta": {"traceparent": PARENT}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = await http.post("/mcp", json=message, headers={**SESSION, "traceparent": PARENT.replace("a", "c")})
    assert "error" not in answer.json(), answer.text
    (sent,) = await taken(broker, least=1)
    assert sent["headers"]["traceparent"].startswith(f"00-{TRACE}-")
    assert {span.trace_id for span in wait_for_spans(receiver, 2)} == {TRACE}


async def test_a_caller_that_does_not_record_is_not_recorded(
    http: httpx2.AsyncClient, broker: Transport, receiver: OtlpReceiver
) -> None:
    http.headers["traceparent"] = f"00-{TRACE}-{CALLER}-00"
    await call(http, "brief")
    (sent,) = await taken(broker, least=1)
    assert sent["headers"]["traceparent"].endswith("-00")
    assert "x-asya-trace" not in sent["headers"]
    assert receiver.spans == []


@pytest.mark.parametrize("http", [False], indirect=True)
async def test_while_traces_are_off_a_callers_trace_is_passed_on_and_none_is_begun(
    http: httpx2.AsyncClient, broker: Transport, receiver: OtlpReceiver
) -> None:
    await call(http, "brief")
    (without,) = await taken(broker, least=1)
    assert list(without["headers"]) == [names.HEADER_MARK]
    http.headers["traceparent"] = PARENT
    await call(http, "brief")
    (sent,) = await taken(broker, least=1)
    assert sent["headers"].pop(names.HEADER_MARK)
    assert sent["headers"] == {"traceparent": PARENT}
    assert json.dumps(receiver.spans) == "[]"
