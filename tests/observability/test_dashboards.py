"""Every expression of every dashboard answers with data on a real Prometheus that scraped a mesh at work.

Sidecars, runtimes and the gateway are real processes. The operator's figures come from its own metrics, filled here: it runs on
Kubernetes alone, where tests/e2e looks at it. So do those of a sidecar that SQS bills, for this mesh is on the memory broker.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from asya_operator.metrics import Metrics
from asya_operator.pod_starts import Start
from asya_sidecar.metrics import Metrics as SidecarMetrics
from asya_transport.port import Depth
from lab.checkout import ROOT
from lab.servers.ports import free_port
from lab.servers.prometheus import PrometheusServer
from tests.support.actor_bench import ActorBench
from tests.support.gateway_calls import call, report
from tests.support.gateway_process import Gateway
from tools.monitoring.panels import BOARDS

WAIT_S = 180.0
HANDLER = """
import time

def process(payload):
    time.sleep(0.02)
    if payload.get("text") == "bad":
        raise ValueError("bad")
    return payload
"""
TOOLS = "tools:\n- {name: echo, description: Echo., parameters: {text: {type: string}}, route: [actor]}\n"


@asynccontextmanager
async def page_of(registry: CollectorRegistry) -> AsyncIterator[str]:
    """Serve metrics as an endpoint does; yields the address."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4"})

    app, port = web.Application(), free_port()
    app.router.add_get("/metrics", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def grow(metrics: Metrics) -> None:
    """Let the operator's figures be those of one actor with work."""
    status = {
        "status": "Running",
        "readyReplicas": 1,
        "desiredReplicas": 1,
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    container = {"name": "asya-runtime", "resources": {"limits": {"nvidia.com/gpu": 1}}}
    workload = {"template": {"spec": {"containers": [container]}}}
    raw = {"spec": {"scaling": {"enabled": True}, "workload": workload}, "status": status}
    key = ("team", "actor")
    metrics.show_actors([(key, raw)], lambda _key: None)
    metrics.show_queues([(key, Depth(3, 1))], [(key, Depth(0))])
    metrics.observe_starts([(key, Start(12.0, 9.0))])
    metrics.leader.set(1)
    metrics.waiting.set(0)
    metrics.count_rounds({"sqs": True})
    metrics.count_requests({"GetQueueAttributes": 1})
    metrics.reconciles.labels("ok").inc()
    metrics.reconcile_seconds.observe(0.01)
    metrics.observe_call("get", "pods", 200, 0.01)


async def test_every_panel_answers_with_data(memory_environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tools.yaml").write_text(TOOLS)
    environ = {
        **memory_environ,
        "ASYA_CONFIG_PATH": str(tmp_path / "tools.yaml"),
        "ASYA_DATABASE_URL": f"sqlite:{tmp_path}/gateway.db",
        "ASYA_GATEWAY_AUTH": "off",
    }
    billed = SidecarMetrics("asya_actor", "billed", "sqs")
    billed.watch_requests({"ReceiveMessage": 1})
    metrics, rules = Metrics(), ROOT / "deploy" / "monitoring" / "rules.yaml"
    with Gateway(environ) as gateway:
        async with (
            ActorBench(memory_environ, HANDLER, "handlers.process", ASYA_GATEWAY_URL=gateway.url) as bench,
            page_of(metrics.registry) as operator,
            page_of(billed.registry) as sidecar,
        ):
            await bench.send_payload({"text": "first"}, "first")
            address = bench.replica.folder / "sidecar-http"
            while not address.exists():
                await asyncio.sleep(0.05)
            targets = {
                "sidecar": [address.read_text(), sidecar],
                "gateway": [f"127.0.0.1:{gateway.port}"],
                "operator": [operator],
            }
            with PrometheusServer(targets, [rules]) as server:
                async with asyncio.timeout(2 * WAIT_S):
                    number, ends_s = 0, time.monotonic() + WAIT_S
                    async with httpx2.AsyncClient(base_url=gateway.url, timeout=60) as client:
                        while missing := await asyncio.to_thread(unanswered, server):
                            number += 1
                            grow(metrics)
                            text = "bad" if number % 5 == 0 else "good"
                            await bench.send_payload({"text": text}, f"e{number}")
                            await call_and_end(client, f"call-{number}")
                            if time.monotonic() > ends_s:
                                break
                            await asyncio.sleep(0.5)
    assert missing == []


async def call_and_end(client: httpx2.AsyncClient, text: str) -> None:
    """Call the tool, and tell the gateway that the envelope has ended, as an end actor's sidecar does."""
    record = await call(client, text=text)
    ended = datetime.now(UTC).isoformat()
    await report(client, record["envelope_id"], "final", status="succeeded", timestamp=ended, result={})


def unanswered(server: PrometheusServer) -> list[str]:
    """Name the expressions that have no data yet."""
    return [
        f"{board.uid}: {panel.title}: {expr}"
        for board in BOARDS
        for panel in board.panels
        for expr, _ in panel.lines
        if not server.query(expr.replace("$actor", ".*").replace("$__rate_interval", "30s"))
    ]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_panel_has_unit_legend_and_description(board: object) -> None:
    made = json.loads((ROOT / "deploy" / "monitoring" / "dashboards" / f"{board.uid}.json").read_text())  # type: ignore[attr-defined]
    assert made["panels"]
    for panel in made["panels"]:
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["legendFormat"] for target in panel["targets"])
