"""A gateway's application in this process, on the memory store and the memory broker, for requests without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from starlette.types import ASGIApp

from asya_gateway.app import build_app
from asya_gateway.calls import Calls
from asya_gateway.metrics import Metrics
from asya_gateway.pubsub import PubSub
from asya_gateway.services import App
from asya_gateway.settings import read_settings
from asya_gateway.store.memory import MemoryStore
from asya_gateway.tools.toolbox import Toolbox
from asya_transport.memory.transport import MemoryAdmin, MemoryBroker, MemoryTransport
from asya_transport.port import QueueSpec

TOOLS = """
tools:
  - name: echo
    parameters:
      text: {type: string}
      rows: {type: array, items: {type: object, properties: {n: {type: integer}}}}
      words: {type: array, items: {type: string}}
    route: [echo]
  - {name: brief, route: [echo]}
"""


class OwnGateway:
    """The parts of one gateway."""

    def __init__(self, app: App, served: ASGIApp) -> None:
        self.app = app
        self.served = served

    def client(self, token: str = "", host: str = "localhost", address: str = "127.0.0.1") -> httpx2.AsyncClient:
        """Open a client that calls by a host name, from an address."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx2.ASGITransport(app=self.served, client=(address, 4711))
        return httpx2.AsyncClient(transport=transport, base_url=f"http://{host}", headers=headers, timeout=60)


@asynccontextmanager
async def own_gateway(folder: Path, **environ: str) -> AsyncIterator[OwnGateway]:
    """Yield a gateway with the tools ``echo`` and ``brief``; without tokens it lets everyone in."""
    (folder / "tools.yaml").write_text(TOOLS)
    known = {"ASYA_TRANSPORT": "memory", "ASYA_GATEWAY_ACTORS": "queues"}
    if "ASYA_GATEWAY_TOKENS" not in environ and "ASYA_GATEWAY_TOKENS_FILE" not in environ:
        known["ASYA_GATEWAY_AUTH"] = "off"
    settings = read_settings({**known, **environ})
    broker = MemoryBroker()
    admin = MemoryAdmin(broker.open_session())
    await admin.create(settings.transport.queue_names.queue("echo"), QueueSpec())
    transport = MemoryTransport(broker.open_session())
    await transport.connect()
    metrics, pubsub, store = Metrics(), PubSub(), MemoryStore()
    await store.open(pubsub.wake)
    calls = Calls(
        Toolbox(folder / "tools.yaml", metrics),
        store,
        transport,
        settings.transport.queue_names,
        metrics=metrics,
        most_values=settings.max_call_elements,
    )
    app = App(settings, store=store, transport=transport, admin=admin, calls=calls, pubsub=pubsub, metrics=metrics)
    try:
        yield OwnGateway(app, build_app(app))
    finally:
        await calls.finish()
        await app.aclose()
        await transport.close()
        await store.close()
