"""A small mesh under the console: real actors on a real RabbitMQ that report to a real gateway."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from asya_local.mesh_status import ActorStatus, MeshStatus
from asya_local.state import StateFolder
from asya_protocol import names
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueAdmin, QueueSpec, Transport
from asya_transport.settings import read_transport_settings
from tests.support.fleet import Fleet
from tests.support.gateway_process import LIMIT_S, Gateway

ADMIN: Final = "console-admin-token"
READER: Final = "console-reader-token"
REPORTER: Final = "console-reporter-token"
MARKUP: Final = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
"""What must be shown as text wherever it comes from."""
TRACES: Final = "https://traces.example/{trace_id}"
ACTORS: Final = ("read-page", "translate", "summarise", "happy-end", "error-end")

TOOLS: Final = """
tools:
  - name: digest
    parameters: {page: {type: string, required: true}, mode: {type: string}}
    route: [read-page, translate, summarise]
    timeout: 600
  - {name: read, parameters: {page: {type: string}}, route: [read-page], timeout: 600}
"""
HANDLERS: Final = """
import time
from pathlib import Path

GATE = Path(__file__).with_name("gate")


class Untranslatable(Exception):
    pass


def read_page(payload):
    if payload.get("mode") == "split":
        return [{**payload, "part": number} for number in range(3)]
    return {**payload, "text": "Es war einmal ein Umschlag, der seinen Weg kannte."}


def translate(payload):
    if payload.get("mode") == "fail":
        raise Untranslatable("no language is spoken here: " + payload["page"])
    if payload.get("mode") == "hold":
        while not GATE.exists():
            time.sleep(0.02)
    return {**payload, "text": "Once upon a time there was an envelope that knew its way."}


def summarise(payload):
    time.sleep(0.05)
    return {"page": payload["page"], "summary": "An envelope finds its way.", "big": 9007199254740993}
"""


@dataclass
class World:
    """What tests drive."""

    gateway: Gateway
    fleet: Fleet
    transport: Transport
    admin: QueueAdmin
    home: Path
    store: Path

    @property
    def url(self) -> str:
        """Where the console is."""
        return self.gateway.url

    def client(self, token: str = ADMIN) -> httpx2.AsyncClient:
        """Open a client."""
        return self.gateway.client(token)

    async def call(self, tool: str = "digest", headers: Mapping[str, str] | None = None, **arguments: object) -> str:
        """Call a tool; the envelope's id."""
        async with self.client() as http:
            answer = await http.post("/tools/call", json={"name": tool, "arguments": arguments}, headers=headers)
        told: dict[str, Any] = json.loads(answer.json()["content"][0]["text"])
        return str(told["envelope_id"])

    async def envelope(self, envelope_id: str) -> dict[str, Any]:
        """Read one as the console does."""
        async with self.client() as http:
            found: dict[str, Any] = (await http.get(f"/api/v1/envelopes/{envelope_id}")).json()
        return found

    async def ended(self, envelope_id: str) -> dict[str, Any]:
        """Wait until an envelope is final and every report of it has come."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                found = await self.envelope(envelope_id)
                if found["status"] in {"succeeded", "failed"}:
                    return found
                self.fleet.keep_up()
                await asyncio.sleep(0.05)

    async def dead_letter(self, actor: str, *bodies: bytes, reason: str = "the runtime ended 5 times") -> None:
        """Make dead letters, as a sidecar does."""
        queue = names.QueueNames().queue(actor)
        marks = {names.ATTRIBUTE_REASON: reason, names.ATTRIBUTE_QUEUE: queue}
        for body in bodies:
            await self.transport.send(names.dlq_name(queue), body, attributes=marks)

    def result(self, envelope_id: str) -> bool:
        """Whether happy-end has persisted an envelope's result."""
        return (self.store / "happy-asya" / f"{envelope_id}.json").exists()

    async def empty(self, actor: str) -> None:
        """Throw an actor's dead letters away."""
        await self.admin.drain(names.QueueNames().dlq(actor))

    def write_status(self, *actors: ActorStatus, message: str = "") -> None:
        """Leave a status as a local mesh's supervisor does."""
        StateFolder(self.home).write_status(MeshStatus(True, "rabbitmq", 0.0, list(actors), message))


def envelope_body(envelope_id: str, actor: str, payload: object, **headers: object) -> bytes:
    """Write an envelope whose turn it is at an actor."""
    document = {"id": envelope_id, "route": {"actors": [actor], "current": 0}, "payload": payload}
    return json.dumps({**document, "headers": headers} if headers else document).encode()


def actor_status(name: str, **fields: object) -> ActorStatus:
    """One actor of a local mesh."""
    values: dict[str, object] = {
        "status": "Running", "replicas": 1, "desired": 1, "min": 0, "max": 4, "queued": 0, "in_flight": 0,
        "done": 0, "failed": 0, "restarts": 0, **fields,
    }  # fmt: skip
    return ActorStatus(name, **values)  # type: ignore[arg-type] # names are the class's own


@asynccontextmanager
async def open_world(broker: Mapping[str, str], folder: Path) -> AsyncIterator[World]:
    """Start everything; ends by recorded pids."""
    (folder / "tools.yaml").write_text(TOOLS)
    home = folder / "mesh"
    settings = read_transport_settings(broker)
    admin, transport = open_admin(settings), open_transport(settings)
    await transport.connect()
    for actor in ACTORS:
        await admin.create(names.QueueNames().queue(actor), QueueSpec())
    environ = {
        **broker,
        "ASYA_CONFIG_PATH": str(folder / "tools.yaml"),
        "ASYA_DATABASE_URL": f"sqlite:{folder}/gateway.db",
        "ASYA_GATEWAY_TOKENS": f"{ADMIN} {READER}|read {REPORTER}|report",
        "ASYA_GATEWAY_ACTORS": f"mesh:{home}/status.json",
        "ASYA_GATEWAY_SAMPLE_EVERY": "250ms",
        "ASYA_TRACE_URL": TRACES,
    }
    with Gateway(environ) as gateway:
        reporting = {"ASYA_GATEWAY_URL": gateway.url, "ASYA_GATEWAY_TOKEN": REPORTER}
        fleet = Fleet({**broker, **reporting, "ASYA_RETRY_INITIAL_DELAY": "500ms", "ASYA_RETRY_MAX_ATTEMPTS": "2"})
        (fleet.folder / "handlers.py").write_text(HANDLERS)
        for actor in ACTORS[:3]:
            fleet.add(actor, f"handlers.{actor.replace('-', '_')}", PYTHONPATH=str(fleet.folder))
        fleet.add_crew(folder / "store")
        world = World(gateway, fleet, transport, admin, home, folder / "store")
        world.write_status(*(actor_status(name) for name in ACTORS))
        try:
            fleet.keep_up()
            await asyncio.to_thread(fleet.wait_ready)
            yield world
        except BaseException as exc:
            exc.add_note(fleet.logs() + "".join(gateway.lines[-20:]))
            raise
        finally:
            fleet.remove()
            await transport.close()
            await admin.close()
