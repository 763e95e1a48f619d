"""One trace from a caller's own span through the gateway's call, a fan-out and fan-in, to the end actor."""

import asyncio
from pathlib import Path

from asya_protocol.names import QueueNames
from asya_transport.factory import open_admin
from asya_transport.port import QueueSpec
from asya_transport.settings import read_transport_settings
from lab.servers.otlp import OtlpReceiver
from tests.support.fleet import Fleet
from tests.support.gateway_calls import call
from tests.support.gateway_process import LIMIT_S, Gateway
from tests.support.trace_trees import trees

TRACE, CALLER = "a" * 32, "b" * 16
ROUTE = ("split", "fan-in", "total")
TOOLS = f"tools:\n- {{name: digest, parameters: {{of: {{type: string}}}}, route: [{', '.join(ROUTE)}], timeout: 600}}\n"
HANDLERS = """
def split(payload):
    return [{**payload, "n": number} for number in range(3)]

def total(payloads):
    return len(payloads)
"""


async def test_a_callers_span_leads_to_every_hop_and_the_end(memory_environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(HANDLERS)
    (tmp_path / "tools.yaml").write_text(TOOLS)
    admin = open_admin(read_transport_settings(memory_environ))
    for actor in (*ROUTE, "happy-end", "error-end"):
        await admin.create(QueueNames().queue(actor), QueueSpec())
    await admin.close()
    with OtlpReceiver() as receiver:
        environ = {
            **memory_environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.http_url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with Gateway(
            {**environ, "ASYA_GATEWAY_AUTH": "off", "ASYA_CONFIG_PATH": str(tmp_path / "tools.yaml")}
        ) as gateway:
            fleet = Fleet({**environ, "PYTHONPATH": str(tmp_path), "ASYA_GATEWAY_URL": gateway.url})
            fleet.add("split", "steps.split")
            fleet.add_fan_in(tmp_path / "store")
            fleet.add("total", "steps.total")
            fleet.add_crew(tmp_path / "store")
            try:
                fleet.keep_up()
                await asyncio.to_thread(fleet.wait_ready)
                async with gateway.client() as http, asyncio.timeout(LIMIT_S):
                    http.headers["traceparent"] = f"00-{TRACE}-{CALLER}-01"
                    told = await call(http, "digest", of="pages")
                    while (shown := (await http.get(told["status_url"])).json())["status"] != "succeeded":
                        await asyncio.sleep(0.05)
                assert (shown["result"], shown["trace_id"]) == (3, TRACE)
                for replica in fleet.replicas:
                    await asyncio.to_thread(replica.terminate)
            finally:
                fleet.stop()
            gateway.stop()
        fleet.remove()
        tree = trees(receiver.spans, {TRACE: CALLER})[TRACE]
    assert tree.orphans == []
    (made,) = tree.named("tools/call digest")
    (sent,) = tree.named("send asya-split")
    assert (made.parent_id, sent.parent_id) == (CALLER, made.span_id)
    assert tree.hops() == {*ROUTE, "happy-end"}
    assert {span.trace_id for span in receiver.spans if span.name.startswith("process ")} == {TRACE}
