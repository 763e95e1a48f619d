"""Real sidecars report to a real gateway that is slow, away, broken, locked or small: what becomes of every envelope."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from asya_protocol import names
from asya_transport.factory import open_admin
from asya_transport.port import QueueSpec
from asya_transport.settings import read_transport_settings
from lab.servers.ports import free_port
from tests.conftest import TABLE
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.fleet import Fleet
from tests.support.gateway_process import Gateway

COUNT = 30
LIMIT_S = 180
TOKEN = "the-sidecars-own-token"
OTHER = "another-token-entirely"

pytestmark = pytest.mark.timeout(900)

TOOLS = """
tools:
  - {name: pass, route: [echo], parameters: {n: {type: integer}}}
  - {name: split, route: [split, echo], parameters: {n: {type: integer}}}
"""
HANDLERS = """
def echo(payload):
    return {**payload, "big": "x" * 3000}

def split(payload):
    return [{"n": payload["n"] * 10 + part} for part in range(3)]
"""


class Stage:
    """A fleet of three actors and the crew, and a gateway that may come and go on one port."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self.port = free_port()
        (folder / "tools.yaml").write_text(TOOLS)
        self.store = folder / "store"
        self.gateway_environ = {
            **environ,
            "ASYA_CONFIG_PATH": str(folder / "tools.yaml"),
            "ASYA_DATABASE_URL": f"sqlite:{folder}/gateway.db",
            "ASYA_GATEWAY_TOKENS": TOKEN,
            "ASYA_GATEWAY_PORT": str(self.port),
        }
        self.environ = environ

    def gateway(self, **changes: str) -> Gateway:
        """Start it."""
        started = Gateway({**self.gateway_environ, **changes})
        assert started.port == self.port, started.lines
        return started

    @contextmanager
    def fleet(self, url: str) -> Iterator[Fleet]:
        """Sidecars that report there."""
        fleet = Fleet({**self.environ, "ASYA_GATEWAY_URL": url, "ASYA_GATEWAY_TOKEN": TOKEN})
        (fleet.folder / "handlers.py").write_text(HANDLERS)
        for actor in ("echo", "split"):
            fleet.add(actor, f"handlers.{actor}", 1, PYTHONPATH=str(fleet.folder))
        fleet.add_crew(self.store)
        try:
            fleet.keep_up()
            yield fleet
        except BaseException as error:
            error.add_note(fleet.logs())
            raise
        finally:
            fleet.remove()

    def call(self, tool: str = "pass", count: int = COUNT) -> list[str]:
        """Start a tool so many times."""
        found = []
        with httpx2.Client(headers=self.headers, trust_env=False, timeout=30) as http:
            for number in range(count):
                body = {"name": tool, "arguments": {"n": number}}
                answer = http.post(f"http://127.0.0.1:{self.port}/tools/call", json=body).json()
                found.append(str(json.loads(answer["content"][0]["text"])["envelope_id"]))
        return found

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"}

    def states(self, ids: list[str], token: str = TOKEN) -> dict[str, dict[str, Any]]:
        """What the gateway says of each."""
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(headers=headers, trust_env=False, timeout=30) as http:
            answers = {name: http.get(f"http://127.0.0.1:{self.port}/envelopes/{name}") for name in ids}
        return {
            name: answer.json() if answer.status_code == 200 else {"status": "unknown"}
            for name, answer in answers.items()
        }

    def persisted(self) -> set[str]:
        """Ids of the results in the store; a child's has its mark behind an ``@``."""
        return {path.stem.partition("@")[0] for path in (self.store / "happy-asya").glob("*.json")}

    def until(self, what: Callable[[], bool], said: str) -> None:
        deadline_s = time.monotonic() + LIMIT_S
        while not what():
            assert time.monotonic() < deadline_s, f"not in time: {said}"
            time.sleep(0.05)

    def until_persisted(self, ids: list[str]) -> None:
        self.until(lambda: set(ids) <= self.persisted(), "all persisted")

    def until_final(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        self.until(lambda: all(state["status"] == "succeeded" for state in self.states(ids).values()), "all final")
        return self.states(ids)

    def until_so_many(self, ids: list[str], want: int) -> None:
        self.until(
            lambda: sum(state["status"] == "succeeded" for state in self.states(ids).values()) >= want, "more ends"
        )

    async def left(self) -> dict[str, int]:
        """What queues and dead letter queues hold, when it no longer changes."""
        admin = open_admin(read_transport_settings(self.environ))
        try:
            for actor in ("echo", "split", names.HAPPY_END, names.ERROR_END):
                queue = names.QueueNames().queue(actor)
                deadline_s = time.monotonic() + LIMIT_S
                while (await admin.measure(queue)).total:
                    assert time.monotonic() < deadline_s, f"{queue} does not empty"
            queues = [names.QueueNames().dlq(actor) for actor in ("echo", "split", *names.RESERVED_ACTORS)]
            return {queue: depth for queue in queues if (depth := (await admin.measure(queue)).total)}
        finally:
            await admin.close()


@pytest.fixture
async def stage(memory_environ: dict[str, str], tmp_path: Path) -> Stage:
    admin = open_admin(read_transport_settings(memory_environ))
    for actor in ("echo", "split", names.HAPPY_END, names.ERROR_END):
        await admin.create(names.QueueNames().queue(actor), QueueSpec())
    await admin.close()
    return Stage(memory_environ, tmp_path)


async def tell(
    record_property: Callable[[str, object], None],
    stage: Stage,
    fault: str,
    states: dict[str, dict[str, Any]],
    more: str,
) -> None:
    """Print the account of one fault and check it."""
    left = await stage.left()
    ends = {status: sum(state["status"] == status for state in states.values()) for status in ("succeeded", "failed")}
    persisted = len(stage.persisted() & set(states))
    lost, buried = len(states) - sum(ends.values()), sum(left.values())
    account = f"sent {len(states)}, persisted {persisted}, ended at the gateway {ends['succeeded']}, lost {lost}"
    record_property(TABLE, f"gateway {fault}: {account}, dead letters {buried}; {more}")
    assert (ends, persisted, left) == ({"succeeded": len(states), "failed": 0}, len(states), {})


FAULTS: dict[str, Fault] = {
    "slow": lambda _kind, _before: "slow",
    "answers 500 twice of three times": lambda kind, before: "500" if kind == "final" and before % 3 else "pass",
    "cut off after it took the report": lambda _kind, before: "cut" if before % 2 else "pass",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_gateway_in_trouble_loses_no_end(fault: str, stage: Stage, record_property):
    with stage.gateway() as gateway, FaultProxy(gateway.port or 0, FAULTS[fault]) as proxy:
        ids = stage.call()
        with stage.fleet(proxy.url):
            states = stage.until_final(ids)
            assert {state["result"]["n"] for state in states.values()} == set(range(COUNT))
            seen = ", ".join(f"{count} {kind} {action}" for (kind, action), count in sorted(proxy.seen.items()))
            await tell(record_property, stage, fault, states, seen)


async def test_a_long_outage_does_not_keep_end_actors_from_their_work(stage: Stage, record_property):
    """Many more envelopes than an end actor holds at once: all are persisted while nobody answers."""
    with stage.gateway() as gateway:
        ids = stage.call(count=20 * COUNT)
        gateway.kill()
    with stage.fleet(f"http://127.0.0.1:{stage.port}"):
        stage.until_persisted(ids)
        with stage.gateway():
            states = stage.until_final(ids)
            await tell(record_property, stage, "away for long", states, "end actors never waited")


async def test_while_the_gateway_is_away_handlers_work_and_afterwards_every_end_is_told(stage: Stage, record_property):
    with stage.gateway() as gateway:
        ids = stage.call()
        gateway.kill()
    with stage.fleet(f"http://127.0.0.1:{stage.port}"):
        stage.until_persisted(ids)  # nobody waited for a gateway
        with stage.gateway():
            states = stage.until_final(ids)
            await tell(record_property, stage, "away until all was done", states, "handlers never waited")


async def test_a_gateway_killed_again_and_again_hears_of_every_end_once(stage: Stage, record_property):
    with stage.gateway():
        ids = stage.call(count=3 * COUNT)
    lives = 0
    with stage.fleet(f"http://127.0.0.1:{stage.port}"):
        while lives < 4:
            with stage.gateway() as gateway:
                lives += 1
                done = sum(state["status"] == "succeeded" for state in stage.states(ids).values())
                want = min(done + len(ids) // 5, len(ids))
                stage.until_so_many(ids, want)
                gateway.kill()
        with stage.gateway():
            states = stage.until_final(ids)
            finals = {name: state["progress_percent"] for name, state in states.items()}
            assert set(finals.values()) == {100.0}
            await tell(record_property, stage, f"killed {lives} times meanwhile", states, "final states once each")


async def test_a_token_that_the_gateway_does_not_know_holds_the_ends_until_it_does(stage: Stage, record_property):
    with stage.gateway():
        ids = stage.call()
    with stage.fleet(f"http://127.0.0.1:{stage.port}") as fleet:
        with stage.gateway(ASYA_GATEWAY_TOKENS=OTHER):
            stage.until_persisted(ids)
            assert {state["status"] for state in stage.states(ids, OTHER).values()} == {"running"}
            end = next(replica for replica in fleet.replicas if replica.actor == names.HAPPY_END)
            # A result is persisted before its report is tried.
            stage.until(lambda: "final report not taken, trying on" in end.log("sidecar"), "a complaint")
            assert "status 401" in end.log("sidecar")
        with stage.gateway():
            states = stage.until_final(ids)
            await tell(record_property, stage, "locked (401), then opened", states, "held until the token was right")


async def test_a_result_too_large_for_the_gateway_ends_without_it(stage: Stage, record_property):
    with stage.gateway(ASYA_GATEWAY_MAX_BODY_BYTES="2048"):
        ids = stage.call()
        with stage.fleet(f"http://127.0.0.1:{stage.port}"):
            states = stage.until_final(ids)
            assert {str(state["result"]) for state in states.values()} == {"None"}
            await tell(record_property, stage, "too small (413)", states, "ends told, results in the store")


async def test_children_whose_reports_are_lost_end_under_their_parent_all_the_same(stage: Stage, record_property):
    with stage.gateway() as gateway:
        ids = stage.call("split", 10)
        # Reports about children never get through from the actor that made them; those of the end actors do.
        proxy = FaultProxy(gateway.port or 0, lambda kind, _: "500" if kind in {"envelopes", "reports"} else "pass")
        with proxy, stage.fleet(proxy.url) as fleet:
            end = next(replica for replica in fleet.replicas if replica.actor == names.HAPPY_END)
            end.terminate()
            end.environ = {**end.environ, "ASYA_GATEWAY_URL": gateway.url}
            fleet.keep_up()
            children = [f"{name}-{part}" for name in ids for part in (1, 2)]
            states = stage.until_final([*ids, *children])
            assert {states[child]["parent_id"] for child in children} == set(ids)
            await tell(record_property, stage, "refuses reports about children", states, "made known by their ends")
