"""``asya why`` in a real mesh: envelopes that run, wait, fail, die and are joined, each with what holds it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asya_cli.console import Console
from asya_cli.gateway_place import find_gateway
from asya_cli.why import gather
from asya_cli.why_words import document
from asya_local import mesh
from asya_manifest.explanation import explain
from tests.support.command_line import CommandLine, Said
from tests.support.mesh import write_actor

HANDLERS = {
    "good": "def handle(p):\n    return p\n",
    "flaky": "def handle(p):\n    raise KeyError('paper')\n",
    "slow": "import asyncio\n\nasync def handle(p):\n    await asyncio.sleep(p.get('s', 3600))\n    return p\n",
    "crash": "import os\n\ndef handle(p):\n    os._exit(3)\n",
    "broken": "import no_such_module\n\ndef handle(p):\n    return p\n",
    "split": "def handle(p):\n    return [{'s': 0}, {'s': 3600}]\n",
}
SPECS: dict[str, dict[str, Any]] = {
    "flaky": {"retry": {"maxAttempts": 4, "initialDelay": "10m", "maxDelay": "15m"}},
    "slow": {"scaling": {"enabled": False}},
    "crash": {"delivery": {"maxDeliveries": 1}},
}
TOOLS = """
tools:
  - {name: good, route: [good]}
  - {name: flaky, route: [good, flaky, good], timeout: 0}
  - {name: slow, route: [slow]}
  - {name: crash, route: [crash]}
  - {name: broken, route: [broken]}
  - {name: joined, route: [split, slow2, fan-in, good]}
"""
LIMIT_S = 120.0

pytestmark = pytest.mark.xdist_group("why")


@pytest.fixture(scope="module")
def asya(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    folder = tmp_path_factory.mktemp("why")
    for name, code in HANDLERS.items():
        write_actor(folder, name, code, **SPECS.get(name, {}))
    write_actor(folder, "slow2", HANDLERS["slow"])
    (folder / "tools.yaml").write_text(TOOLS)
    command_line = CommandLine(folder, {"ASYA_HOME": str(folder / "home")})
    try:
        up = command_line("local", "up", "-f", str(folder), "--transport", "memory")
        assert up.code == 0, up.err
        yield command_line
    finally:
        assert command_line("local", "down").code == 0


def called(asya: CommandLine, tool: str) -> str:
    gateway, _ = find_gateway(None, None, home(asya))
    assert gateway is not None
    return gateway.call(tool, {})


def home(asya: CommandLine) -> Path:
    return asya.folder / "home"


def until(asya: CommandLine, envelope_id: str, held_by: str) -> dict[str, Any]:
    """Ask as the command does, without starting it each time, until that is what holds it."""
    deadline_s = time.monotonic() + LIMIT_S
    while True:
        evidence = gather(envelope_id, None, None, home(asya), Console())
        found = document(evidence, explain(evidence))
        if found["held_by"] == held_by:
            return found
        assert time.monotonic() < deadline_s, f"held by {found}"


def test_what_has_ended_is_held_by_nothing(asya: CommandLine):
    envelope_id = called(asya, "good")
    assert asya("wait", envelope_id).code == 0
    said = asya("why", envelope_id)
    assert said.code == 0
    assert said.out.splitlines()[:3] == [
        f"id         {envelope_id}", "status     succeeded", "because    it has succeeded",
    ]  # fmt: skip


def test_a_retry_tells_the_attempt_the_error_and_when(asya: CommandLine):
    found = until(asya, called(asya, "flaky"), "retry")
    assert (found["where"], found["attempts"], found["max_attempts"]) == ("flaky", 1, 4)
    assert "KeyError" in found["last_error"]
    assert found["next_retry_at"] is not None
    assert found["route"] == ["good", "flaky", "good"]


def test_a_handler_at_work_is_named_and_who_waits_behind_it_is_told(asya: CommandLine):
    first = called(asya, "slow")
    found = until(asya, first, "handler")
    assert (found["where"], found["attempts"]) == ("slow", 1)
    second = called(asya, "slow")
    waiting = until(asya, second, "queue")
    assert (waiting["where"], waiting["replicas_ready"]) == ("slow", 1)
    for envelope_id in (second, first):
        assert asya("cancel", envelope_id).code == 0
    assert until(asya, second, "cancelled")["status"] == "cancelled"


def test_a_dead_letter_is_found_with_its_reason_and_the_way_back(asya: CommandLine):
    envelope_id = called(asya, "crash")
    found = until(asya, envelope_id, "dead_letter")
    assert found["status"] == "dead letter"
    assert "(delivered 1 times)" in found["because"]
    assert f"asya dlq redrive crash --where id={envelope_id}" in found["cure"]


def test_an_actor_that_cannot_load_its_handler_is_the_reason(asya: CommandLine):
    found = until(asya, called(asya, "broken"), "actor")
    assert "broken is RuntimeError" in found["because"]
    assert "no_such_module" in found["because"]


def test_who_waits_is_told_what_holds_it(asya: CommandLine):
    said = asya("send", "broken", "--payload", "{}", "--wait", "--timeout", "15s")
    assert said.code == 4
    assert "no_such_module" in said.err.splitlines()[-2], said.err


def test_a_dead_letter_ends_a_wait_at_once(asya: CommandLine):
    said = asya("send", "crash", "--payload", "{}", "--wait", "--timeout", "2m")
    assert said.code == 8
    assert "it is a dead letter of crash" in said.err, said.err


def test_a_dead_letter_of_an_earlier_send_of_the_same_id_ends_no_wait(asya: CommandLine):
    assert asya("send", "crash", "--payload", "{}", "--id", "again", "--wait", "--timeout", "2m").code == 8
    said = asya("send", "broken", "--payload", "{}", "--id", "again", "--wait", "--timeout", "15s")
    assert said.code == 4, said.err


def test_fan_in_says_who_is_missing(asya: CommandLine):
    envelope_id = called(asya, "joined")
    found = until(asya, envelope_id, "fan_in")
    assert "1 of 2 are there; missing: 1" in found["because"]
    assert found["cure"] == f"look at one that is missing: asya why {envelope_id}-1"
    assert until(asya, f"{envelope_id}-1", "handler")["where"] == "slow2"
    assert asya("cancel", envelope_id).code == 0


def test_what_was_sent_past_the_gateway_is_found_in_logs_and_store(asya: CommandLine):
    envelope_id = asya("send", "flaky", "--payload", "{}").out.strip()
    assert until(asya, envelope_id, "retry")["attempts"] == 1
    done = asya("send", "good", "--payload", "{}", "--wait", "--json").document["id"]
    assert asya("why", done, "--json").document["held_by"] == "nothing"
    never = asya("why", "never-sent")
    assert (never.code, "was never sent" in never.out) == (5, True)


def test_with_a_gateway_alone_it_is_the_gateway_that_is_asked(asya: CommandLine, tmp_path: Path):
    info = mesh.find(home(asya))
    assert info is not None
    token = info.gateway_token_file.read_text().strip()
    elsewhere = CommandLine(tmp_path, {"ASYA_GATEWAY_URL": info.gateway_url, "ASYA_GATEWAY_TOKEN": token})
    envelope_id = called(asya, "flaky")
    until(asya, envelope_id, "retry")
    deadline_s = time.monotonic() + LIMIT_S
    while True:  # the logs know of it before the gateway does
        said: Said = elsewhere("why", envelope_id, "--json")
        assert said.code == 0, said.err
        if said.document["held_by"] == "retry":
            break
        assert time.monotonic() < deadline_s, said.out
    assert (said.document["where"], said.document["status"], said.document["attempts"]) == ("flaky", "running", 1)
    assert "KeyError" in said.document["last_error"]
    assert said.document["next_retry_at"] is not None
    assert elsewhere("why", "never").code == 5
    assert CommandLine(tmp_path, {})("why", "x").code == 3
