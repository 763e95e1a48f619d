"""``asya replay`` in a real mesh, through its gateway and past it: one envelope, a group, all that failed, twice."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asya_cli.gateway_client import Gateway
from asya_cli.gateway_place import find_gateway
from asya_local import mesh
from tests.support.command_line import CommandLine, mesh_of
from tests.support.mesh import write_actor

WHEN_MENDED = """
from pathlib import Path

def handle(p):
    if p.get("bad") and not Path(__file__).with_name(p["bad"]).exists():
        raise KeyError(p["bad"])
    return {**p, "done": True}
"""
COUNTED = """
from pathlib import Path

def handle(p):
    with Path(__file__).with_name("calls").open("a") as calls:
        calls.write(f"{p.get('bad')}\\n")
    return {**p, "seen": p.get("seen", 0) + 1}
"""
HANDLERS = {
    "first": COUNTED,
    "weak": WHEN_MENDED,
    "split": "def handle(p):\n    return [{'n': n, 'bad': p['bad'] if n in p['at'] else ''} for n in range(4)]\n",
    "total": "def handle(p):\n    return {'ns': [each['n'] for each in p]}\n",
}
TOOLS = """
tools:
  - {name: weak, route: [first, weak], parameters: {bad: {type: string}}}
  - {name: joined, route: [split, weak, fan-in, total], parameters: {bad: {type: string}, at: {type: array}}}
"""
LIMIT_S = 120.0

pytestmark = pytest.mark.xdist_group("replay")


@pytest.fixture(scope="module")
def asya(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    folder = tmp_path_factory.mktemp("replay")
    for name, code in HANDLERS.items():
        write_actor(folder, name, code, retry={"maxAttempts": 1})
    (folder / "tools.yaml").write_text(TOOLS)
    with mesh_of(folder) as command_line:
        yield command_line


def gateway(asya: CommandLine) -> Gateway:
    found, _ = find_gateway(None, None, asya.folder / "home")
    assert found is not None
    return found


def called(asya: CommandLine, tool: str, **arguments: Any) -> str:
    """Call a tool and wait for its failure at the gateway and in the store."""
    envelope_id = gateway(asya).call(tool, arguments)
    until(asya, envelope_id, "failed")
    return envelope_id


def until(asya: CommandLine, envelope_id: str, status: str) -> dict[str, Any]:
    deadline_s = time.monotonic() + LIMIT_S
    while (found := gateway(asya).envelope(envelope_id))["status"] != status:
        assert time.monotonic() < deadline_s, found
        time.sleep(0.1)
    return found


def mend(asya: CommandLine, fault: str) -> None:
    (asya.folder / fault).touch()


def test_from_the_hop_that_failed_it_goes_on_under_its_id_and_its_end_is_the_new_one(asya: CommandLine) -> None:
    envelope_id = called(asya, "weak", bad="paper")
    mend(asya, "paper")
    told = asya("replay", envelope_id, "--dry-run", "--json")
    assert (told.code, told.document["replayed"], told.document["dry_run"]) == (0, [envelope_id], True)
    assert gateway(asya).envelope(envelope_id)["status"] == "failed"

    said = asya("replay", envelope_id)
    assert (said.code, said.out) == (0, f"{envelope_id}: sent again\n")
    record = until(asya, envelope_id, "succeeded")
    assert record["result"] == {"bad": "paper", "seen": 1, "done": True}
    assert "error" not in record
    result = asya("result", envelope_id, "--wait", "30s", "--json")
    assert (result.code, result.document["payload"]["done"]) == (0, True)
    events = [event.document for event in gateway(asya).history(envelope_id)]
    assert [event["status"] for event in events if "Sent again from 'weak'" in event["message"]] == ["running"]
    assert asya("stream", envelope_id).code == 0
    again = asya("replay", envelope_id)
    assert (again.code, again.out) == (1, f"{envelope_id}: not sent again: it has succeeded\n")


def test_from_its_start_every_hop_runs_again(asya: CommandLine) -> None:
    envelope_id = called(asya, "weak", bad="ink")
    mend(asya, "ink")
    assert asya("replay", envelope_id, "--from", "start").code == 0
    assert until(asya, envelope_id, "succeeded")["result"] == {"bad": "ink", "seen": 1, "done": True}
    # Reports of a hop may come after the end, which is final: the handler itself counts.
    assert (asya.folder / "calls").read_text().split().count("ink") == 2


def test_one_that_fails_again_can_be_replayed_again(asya: CommandLine) -> None:
    envelope_id = called(asya, "weak", bad="glue")
    assert asya("replay", envelope_id).code == 0
    until(asya, envelope_id, "failed")
    mend(asya, "glue")
    assert asya("replay", envelope_id).code == 0
    until(asya, envelope_id, "succeeded")


def test_a_group_is_completed_by_its_missing_children(asya: CommandLine) -> None:
    envelope_id = called(asya, "joined", bad="page", at=[1, 3])
    mend(asya, "page")
    told = asya("replay", envelope_id, "--json")
    assert (told.code, told.document["replayed"]) == (0, [f"{envelope_id}-1", f"{envelope_id}-3"]), told
    assert told.document["completes"] == [envelope_id]
    assert until(asya, envelope_id, "succeeded")["result"] == {"ns": [0, 1, 2, 3]}


def test_children_that_are_replayed_one_by_one_complete_their_group(asya: CommandLine) -> None:
    envelope_id = called(asya, "joined", bad="word", at=[0, 2])
    mend(asya, "word")
    first = asya("replay", f"{envelope_id}-0", "--json").document
    assert (first["replayed"], first["completes"]) == ([f"{envelope_id}-0"], [])
    until(asya, f"{envelope_id}-0", "succeeded")
    last = asya("replay", f"{envelope_id}-2", "--json").document
    assert last["completes"] == [envelope_id]
    assert until(asya, envelope_id, "succeeded")["result"] == {"ns": [0, 1, 2, 3]}


def test_what_was_sent_past_the_gateway_is_replayed_from_the_store_and_only_once(asya: CommandLine) -> None:
    sent = asya("send", "first", "weak", "--payload", '{"bad": "chalk"}', "--id", "order-1", "--wait", "--json")
    assert sent.code == 1, sent
    mend(asya, "chalk")
    assert asya("replay", "order-1", "--from", "start").out.endswith("can go: --from hop\n")
    first, second = asya("replay", "order-1", "--json"), asya("replay", "order-1", "--json")
    assert first.document["replayed"] == ["order-1"]
    # By the second the envelope may have come to its end.
    assert (second.document["replayed"], second.document["under_way"] or second.document["refused"]) in [
        ([], ["order-1"]),
        ([], [{"id": "order-1", "why": "it has succeeded"}]),
    ]
    assert asya("result", "order-1", "--wait", "30s", "--json").document["payload"]["seen"] == 1


def test_all_that_failed_is_chosen_by_time_and_by_conditions_and_cancels_stay_out(asya: CommandLine) -> None:
    for number in range(3):
        asya("send", "weak", "--payload", json.dumps({"bad": "lamp", "n": number}), "--id", f"lamp-{number}", "--wait")
    mend(asya, "lamp")
    by_condition = asya("replay", "--failed", "--where", "payload.n=1", "--where", "reason~lamp", "--dry-run", "--json")
    assert by_condition.document["replayed"] == ["lamp-1"], by_condition
    assert asya("replay", "--failed", "--since", "1h", "--where", "id=lamp-*", "--json").document["replayed"] == [
        "lamp-0",
        "lamp-1",
        "lamp-2",
    ]
    for number in range(3):
        assert asya("result", f"lamp-{number}", "--wait", "30s").code == 0
    nothing = asya("replay", "--failed", "--where", "id=lamp-*")
    assert (nothing.code, nothing.out) == (0, "nothing at error-end matches\n")


def test_a_gateway_alone_lists_what_failed(asya: CommandLine, tmp_path: Path) -> None:
    envelope_id = called(asya, "weak", bad="nail")
    mend(asya, "nail")
    token = mesh.find(asya.folder / "home")
    assert token is not None
    elsewhere = CommandLine(
        tmp_path, {"ASYA_GATEWAY_TOKEN": (asya.folder / "home" / "gateway-token").read_text().strip()}
    )
    told = elsewhere("replay", "--failed", "--where", "reason~nail", "--gateway", gateway(asya).url, "--json")
    assert (told.code, told.document["replayed"]) == (0, [envelope_id]), told
    until(asya, envelope_id, "succeeded")


def test_usage_and_unknown_ids(asya: CommandLine) -> None:
    assert asya("replay").code == 2
    assert asya("replay", "x", "--failed").code == 2
    assert asya("replay", "x", "--since", "1h").code == 2
    assert asya("replay", "no-such").code == 1
