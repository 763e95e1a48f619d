"""Bad input and bad handlers, through a real sidecar and runtime: each ends with a reason, and the next one is processed."""

import json
from typing import Any

import pytest

from lab.servers.memory import memory_environ
from tests.support.actor_bench import WAIT_S, ActorBench

__all__ = ["memory_environ"]

ECHO = "def process(payload):\n    return payload\n"

BODIES = [
    (b"", "0 bytes"),
    (b"not json", "not JSON"),
    (b"null", "not an object"),
    (b'{"id":"x","route":{"actors":["actor"]},"payload":NaN}', "NaN is not a JSON number"),
    (b'{"id":"x","route":{"actors":["actor"]},"payload":"\\ud800"}', "lone surrogate"),
    (b'{"id":"x","route":{"actors":["actor"]},"payload":"\xff"}', "not UTF-8"),
    (b'{"route":{"actors":["actor"]},"payload":1}', "'id'"),
    (b'{"id":"x","payload":1}', "'route'"),
    (b'{"id":"x","route":{"actors":["actor"]}}', "'payload'"),
    (b'{"id":"x","route":{"actors":["other"]},"payload":1}', "wrong actor"),
    (b'{"id":"x","route":{"actors":["actor"],"current":7},"payload":1}', "out of bounds"),
    (b'{"id":"x","route":{"actors":["actor"],"current":1},"payload":1}', "wrong actor"),
    (b"[" * 100_000, "not an object"),
    (
        b'{"id":"x","route":{"actors":["actor"]},"deadline":"9999-12-31T23:59:59.9-05:00","payload":1}',
        "'deadline' must be",
    ),
    (b'{"id":"x","route":{"actors":["actor"]},"headers":{"x-asya-claim":{}},"payload":null}', "has none"),
]


async def test_every_bad_body_ends_in_error_end_and_the_next_is_processed(memory_environ: dict[str, str]) -> None:
    """Nothing is lost, nothing loops, nothing stops the actor."""
    async with ActorBench(memory_environ, ECHO, "handlers.process") as bench:
        for number, (body, reason) in enumerate(BODIES):
            await bench.send(body)
            failure = await bench.failure()
            assert reason in failure["payload"]["error"], failure
            assert failure["id"]
            await bench.works(f"after-{number}")


async def test_a_hundred_levels_and_ten_megabytes_pass(memory_environ: dict[str, str]) -> None:
    """Unusual is not bad."""
    nested: Any = {"levels": json.loads("[" * 100 + "]" * 100)}
    async with ActorBench(memory_environ, ECHO, "handlers.process") as bench:
        for payload in (nested, "x" * 10_000_000, {"text": "žluťoučký 🎭 \u2028"}):
            await bench.send_payload(payload)
            assert (await bench.result())["payload"] == payload


HANDLERS = """
import os, sys, time

def process(payload):
    kind = payload.get("kind") if isinstance(payload, dict) else None
    if kind == "set": return {1, 2}
    if kind == "nan": return float("nan")
    if kind == "surrogate": return "\\ud800"
    if kind == "system exit": raise SystemExit(3)
    if kind == "keyboard interrupt": raise KeyboardInterrupt
    if kind == "raise": raise LookupError("no such thing")
    if kind == "deep": return nest(100_000)
    if kind == "print":
        for _ in range(2000): print("x" * 100_000)
    return payload

def nest(depth):
    value = []
    for _ in range(depth): value = [value]
    return value
"""


@pytest.mark.parametrize(
    ("kind", "error_type", "retries"),
    [
        ("set", "TypeError", 0),
        ("nan", "ValueError", 0),
        ("surrogate", "ValueError", 0),
        ("system exit", "SystemExit", 2),
        ("keyboard interrupt", "KeyboardInterrupt", 2),
        ("raise", "LookupError", 2),
        ("deep", "RecursionError", 0),
    ],
)
async def test_a_handler_that_fails_is_answered_for(
    kind: str, error_type: str, retries: int, memory_environ: dict[str, str]
) -> None:
    """Three attempts, or one where the result can never be JSON, then error-end with type and traceback; the runtime lives."""
    async with ActorBench(memory_environ, HANDLERS, "handlers.process") as bench:
        await bench.works("before")
        await bench.send_payload({"kind": kind})
        failure = await bench.failure()
        assert failure["payload"]["error"] == "processing_error"
        assert failure["payload"]["details"]["type"] == error_type
        assert failure["payload"]["original_payload"] == {"kind": kind}
        await bench.works()
        assert bench.replica.log("sidecar").count('"retried"') == retries


async def test_a_handler_that_prints_without_end_disturbs_nothing(memory_environ: dict[str, str]) -> None:
    """Its output goes to the runtime's log, never into the socket."""
    async with ActorBench(memory_environ, HANDLERS, "handlers.process") as bench:
        await bench.send_payload({"kind": "print"})
        assert (await bench.result())["payload"] == {"kind": "print"}
        await bench.works()


DEADLY = """
import os, time

def process(payload):
    if payload.get("kind") == "exit": os._exit(9)
    if payload.get("kind") == "block": time.sleep(3600)
    if payload.get("kind") == "spin":
        while True: pass
    return payload
"""


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("exit", "failed to read response from runtime"),
        ("block", "Runtime timeout exceeded after 1s"),
        ("spin", "Runtime timeout exceeded after 1s"),
    ],
)
async def test_a_handler_that_takes_the_runtime_down_ends_in_the_dlq(
    kind: str, reason: str, memory_environ: dict[str, str]
) -> None:
    """Redelivered twice with the sidecar up all the time, then a dead letter that says why; the next one is processed."""
    async with ActorBench(
        memory_environ, DEADLY, "handlers.process", ASYA_MAX_DELIVERIES="2", ASYA_RUNTIME_TIMEOUT="1s"
    ) as bench:
        await bench.works("before")
        sidecar = bench.replica.processes["sidecar"].pid
        await bench.send_payload({"kind": kind})
        dead = await bench.dead()
        assert reason in dead.attributes["asya-reason"]
        assert "(delivered 2 times)" in dead.attributes["asya-reason"]
        assert json.loads(dead.body)["payload"] == {"kind": kind}
        await bench.works()
        assert bench.replica.processes["sidecar"].pid == sidecar


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        ("nothing.here", "nothing"),
        ("handlers.Needs.process", "size"),
        ("handlers.missing", "missing"),
        ("bad path", "ASYA_HANDLER"),
        ("", "ASYA_HANDLER"),
    ],
)
async def test_a_handler_that_cannot_be_loaded_refuses_to_start(
    handler: str, text: str, memory_environ: dict[str, str]
) -> None:
    """The runtime's last lines name the cause, and the sidecar says that it waited in vain."""
    code = "class Needs:\n    def __init__(self, size): ...\n    def process(self, payload): ...\n"
    async with ActorBench(memory_environ, code, handler, ASYA_RUNTIME_READY_TIMEOUT="1s") as bench:
        assert bench.replica.processes["runtime"].wait(WAIT_S) == 1
        assert bench.replica.processes["sidecar"].wait(WAIT_S) == 1
        assert text in bench.replica.log("runtime")
        assert "ASYA_RUNTIME_READY_TIMEOUT" in bench.replica.log("sidecar")
