"""A mesh under load whose parts are replaced, one after the other, by those of another release.

Everything that leaves marks is switched on: a gateway that is told of each hop, fan-out and fan-in, batches, payloads by way
of the store, a memory of what is done.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2

from asya_protocol.names import QueueNames
from asya_transport.factory import open_admin
from asya_transport.port import QueueSpec
from asya_transport.settings import read_transport_settings
from lab.installs.previous_release import Release
from lab.servers.ports import free_port
from tests.support.fleet import Fleet, Part
from tests.support.gateway_calls import call
from tests.support.gateway_process import Gateway

ROUTE: Final = ("split", "work", "fan-in", "total")
ENDS: Final = ("happy-end", "error-end")
CHILDREN: Final = 3
RAISING: Final = 8
"""Of so many calls one fails, until the handler is mended."""
PACE_S: Final = 0.1
LIMIT_S: Final = 240.0
HANDLERS: Final = f"""
import os
from pathlib import Path

def split(payload):
    return [{{**payload, "n": number, "filler": "x" * 3000}} for number in range({CHILDREN})]

def work(payloads):
    return [{{**payload, "square": payload["n"] ** 2}} for payload in payloads]

def total(payloads):
    number = payloads[0]["number"]
    if number % {RAISING} == 1 and not Path(os.environ["MENDED"]).exists():
        raise ValueError(f"call {{number}} was made to fail")
    return {{"number": number, "numbers": [each["n"] for each in payloads], "total": sum(each["square"] for each in payloads)}}
"""


@dataclass
class Mesh:
    """One mesh; ``broker`` points at the broker, ``database`` is the gateway's, ``dedup`` the memory of what is done."""

    broker: dict[str, str]
    folder: Path
    database: str
    dedup: str
    release: Release
    sent: dict[str, int] = field(default_factory=dict)
    """Numbers of calls, by the id of the envelope that each made."""
    unanswered: int = 0
    """Calls that reached a gateway as it ended, so that their callers do not know whether they were taken."""

    def __post_init__(self) -> None:
        self.store, self._mended = self.folder / "store", self.folder / "mended"
        (self.folder / "steps.py").write_text(HANDLERS)
        parameters = {"number": {"type": "integer", "required": True}}
        tools = {"tools": [{"name": "squares", "route": list(ROUTE), "parameters": parameters}]}
        (self.folder / "tools.yaml").write_text(json.dumps(tools))
        self._port = free_port()
        self.fleet = Fleet(
            {
                **self.broker,
                "PYTHONPATH": str(self.folder),
                "MENDED": str(self._mended),
                "ASYA_GATEWAY_URL": f"http://127.0.0.1:{self._port}",
                "ASYA_STORE_URL": self.store.as_uri(),
                "ASYA_CLAIM_OVER_BYTES": "2000",
                "ASYA_RETRY_INITIAL_DELAY": "200ms",
                "ASYA_RETRY_NON_RETRYABLE": "ValueError",
                "ASYA_RUNTIME_TIMEOUT": "30s",
            }
        )
        self.fleet.add("split", "steps.split")
        self.fleet.add("work", "steps.work", 2, ASYA_BATCH_SIZE="4", ASYA_BATCH_WAIT_MS="20")
        self.fleet.add_fan_in(self.store)
        self.fleet.add("total", "steps.total", 1, ASYA_DEDUP_WINDOW="1h", ASYA_DEDUP_URL=self.dedup)
        self.fleet.add_crew(self.store)
        for replica in self.fleet.replicas:
            replica.release_of = {"sidecar": self.release, "runtime": self.release}
        self.settings = read_transport_settings(self.broker)
        self.admin = open_admin(self.settings)

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator["Mesh"]:
        """Make queues, start everything, end everything."""
        try:
            for actor in (*ROUTE, *ENDS):
                await self.admin.create(QueueNames().queue(actor), QueueSpec())
            self.gateway = await asyncio.to_thread(self._start_gateway, self.release)
            self.fleet.keep_up()
            await asyncio.to_thread(self.fleet.wait_ready)
            yield self
        except BaseException as exc:
            exc.add_note(self.fleet.logs())
            exc.add_note("".join(self.gateway.lines[-20:]))
            raise
        finally:
            self.gateway.kill()
            self.fleet.stop()
            for actor in (*ROUTE, *ENDS):
                await self.admin.delete(QueueNames().queue(actor), force=True)
            await self.admin.close()
            self.fleet.remove()

    async def load(self, over: asyncio.Event) -> None:
        """Call until it is over; while the gateway is replaced nobody listens, and the call is made again."""
        while not over.is_set():
            number = len(self.sent) + 1
            try:
                async with self.gateway.client() as http:
                    self.sent[(await call(http, "squares", number=number))["envelope_id"]] = number
            except httpx2.ConnectError:
                pass
            except (httpx2.ReadError, httpx2.RemoteProtocolError):
                self.unanswered += 1
            await asyncio.sleep(PACE_S)

    async def replace_gateway(self, release: Release) -> None:
        """End the gateway in good order, and start another on its port and its records."""
        assert await asyncio.to_thread(self.gateway.stop) == 0, self.gateway.lines[-20:]
        self.gateway = await asyncio.to_thread(self._start_gateway, release)

    async def replace_actors(self, release: Release) -> None:
        """Replace the replicas of users' actors: an actor's one after the other, actors at the same time.

        Those of ``work`` twice: the runtime's file is the namespace's and changes before its pods do, so that for a while
        either part may meet the other release's.
        """
        await asyncio.gather(
            self._replace_mixed(release), *(self._replace(each, release) for each in ("split", "total"))
        )

    async def replace_crew(self, release: Release) -> None:
        """Replace the replicas of the crew's actors, all at the same time."""
        await asyncio.gather(*(self._replace(actor, release) for actor in ("fan-in", *ENDS)))

    async def _replace_mixed(self, release: Release) -> None:
        await self._replace("work", release, "sidecar", "runtime")
        await self._replace("work", release)

    async def _replace(self, actor: str, release: Release, *parts: Part) -> None:
        """Replace an actor's replicas; with ``parts`` given one part of each, of the first replica the first."""
        replicas = [replica for replica in self.fleet.replicas if replica.actor == actor]
        both: tuple[Part, ...] = ("sidecar", "runtime")
        each: list[tuple[Part, ...]] = [(part,) for part in parts] or [both] * len(replicas)
        for replica, these in zip(replicas, each, strict=True):
            code = await asyncio.to_thread(replica.terminate)
            assert code == 0, replica.log("sidecar")[-2000:]
            replica.release_of |= dict.fromkeys(these, release)
            replica.keep_up()
            async with asyncio.timeout(LIMIT_S):
                while not replica.started:
                    await asyncio.sleep(PACE_S)

    async def over(self) -> dict[str, dict[str, Any]]:
        """Wait until the gateway has the end of every call; its records, by id."""
        async with self.gateway.client() as http:

            async def record(envelope_id: str) -> dict[str, Any]:
                async with asyncio.timeout(LIMIT_S):
                    while True:
                        shown: dict[str, Any] = (await http.get(f"/envelopes/{envelope_id}?wait=30")).json()
                        if shown["status"] in {"succeeded", "failed"}:
                            return shown

            return {each: await record(each) for each in self.sent}

    async def mend(self, failed: list[str]) -> None:
        """Mend the handler, and send what failed again by way of the gateway."""
        self._mended.touch()
        async with self.gateway.client() as http:
            for each in failed:
                answer = await http.post(f"/api/v1/envelopes/{each}/replay", json={})
                assert answer.status_code == 200, f"{each}: {answer.text}"

    async def left(self) -> dict[str, int]:
        """Wait until the queues are empty; dead letters by actor, where there are any."""
        names = QueueNames()
        for actor in (*ROUTE, *ENDS):
            async with asyncio.timeout(LIMIT_S):
                while (await self.admin.measure(names.queue(actor))).total:
                    await asyncio.sleep(PACE_S)
        dead = {actor: (await self.admin.measure(names.dlq(actor))).total for actor in (*ROUTE, *ENDS)}
        return {actor: count for actor, count in dead.items() if count}

    def kept(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Envelopes that the end actors keep, by id."""
        documents = (json.loads(path.read_bytes()) for path in (self.store / prefix).glob("*.json"))
        return {document["id"]: document for document in documents}

    def retried(self) -> int:
        """How often a call was made again, whatever for."""
        return sum(replica.log("sidecar").count('"retried"') for replica in self.fleet.replicas)

    def _start_gateway(self, release: Release) -> Gateway:
        environ = {
            **self.broker,
            "ASYA_GATEWAY_PORT": str(self._port),
            "ASYA_CONFIG_PATH": str(self.folder / "tools.yaml"),
            "ASYA_DATABASE_URL": self.database,
            "ASYA_GATEWAY_AUTH": "off",
            "ASYA_STORE_URL": self.store.as_uri(),
        }
        return Gateway(environ, str(release.python))
