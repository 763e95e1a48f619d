"""The command line against a real mesh on the memory transport: sidecars, runtimes, crew and store are all there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.waits import wait_until
from tests.support.command_line import CommandLine

HANDLERS = """\
import asyncio


def greet(payload):
    if payload.get("who") is None:
        raise ValueError("nobody to greet")
    return {"message": f"Hello {payload['who']}!"}


async def forget(payload):
    await asyncio.sleep(3600)
"""
MANIFEST = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {{name: {name}}}
spec:
  transport: memory
  image: none
  handler: handlers.{name}
  scaling: {{enabled: true, minReplicas: 0, maxReplicas: 3, queueLength: 1, pollingInterval: 1, cooldownPeriod: 600}}
  retry: {{nonRetryable: [ValueError]}}
  timeout: {{processing: 60, gracefulShutdown: 2}}
"""


@pytest.fixture
def nowhere(tmp_path: Path) -> CommandLine:
    """A command line without a mesh."""
    return CommandLine(tmp_path, {"ASYA_HOME": str(tmp_path / "home")})


@pytest.fixture(scope="module")
def asya(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A command line with a mesh of two actors."""
    folder = tmp_path_factory.mktemp("mesh")
    (folder / "handlers.py").write_text(HANDLERS)
    for name in ("greet", "forget"):
        (folder / f"{name}.yaml").write_text(MANIFEST.format(name=name))
    once = MANIFEST.format(name="greet").replace("name: greet", "name: once") + "\n  delivery: {dedup: {window: 1h}}\n"
    (folder / "once.yaml").write_text(once)
    command_line = CommandLine(folder, {"ASYA_HOME": str(folder / "home")})
    up = command_line("local", "up", "-f", str(folder), "--transport", "memory")
    try:
        assert up.code == 0, up.err
        assert "greet" in up.out
        yield command_line
    finally:
        assert command_line("local", "down").code == 0


pytestmark = pytest.mark.xdist_group("cli")


def test_a_sent_envelope_comes_back_as_a_result(asya: CommandLine):
    answer = asya("send", "greet", "--payload", '{"who": "you"}', "--wait", "--timeout", "120s")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out) == {"message": "Hello you!"}


def test_an_id_is_printed_and_leads_to_the_result(asya: CommandLine):
    sent = asya("send", "greet", "--payload", "-", "--id", "from-stdin", stdin='{"who": "pipe"}')
    assert (sent.code, sent.out) == (0, "from-stdin\n")
    found = asya("result", "from-stdin", "--wait", "120s", "--json")
    assert found.code == 0, found.err
    assert json.loads(found.out) == {"id": "from-stdin", "status": "succeeded", "payload": {"message": "Hello pipe!"}}


def test_a_failed_envelope_says_why_and_exits_with_1(asya: CommandLine):
    answer = asya("send", "greet", "--payload", "{}", "--id", "nobody", "--wait", "--timeout", "120s")
    assert answer.code == 1
    assert "ValueError: nobody to greet" in answer.err
    document = json.loads(asya("result", "nobody", "--json").out)
    assert (document["status"], document["payload"], document["error"]["type"]) == ("failed", {}, "ValueError")


def test_an_unknown_id_exits_with_1_and_says_how_to_wait(asya: CommandLine):
    answer = asya("result", "never-sent")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == (
        "error: nothing is known of never-sent\n  try: wait for it: asya result never-sent --wait 30s\n"
    )


def test_a_result_that_does_not_come_in_time_exits_with_4(asya: CommandLine):
    answer = asya("send", "forget", "--payload", "{}", "--wait", "--timeout", "1s")
    assert answer.code == 4
    assert "no result of" in answer.err


def test_a_cancel_ends_a_running_handler_and_what_has_ended_cannot_be_cancelled(asya: CommandLine):
    envelope_id = json.loads(asya("send", "forget", "--payload", "{}", "--json").out)["id"]
    assert asya("result", envelope_id).code == 1
    answer = asya("cancel", envelope_id, "--wait", "120s")
    assert (answer.code, answer.out) == (0, f"{envelope_id}: cancelled\n")
    assert asya("result", envelope_id).err.startswith(f"cancelled: {envelope_id} at forget")
    again = asya("cancel", envelope_id, "--json")
    assert (again.code, json.loads(again.out)) == (0, {"id": envelope_id, "status": "cancelled"})
    done = json.loads(asya("send", "greet", "--payload", '{"who": "x"}', "--json", "--wait").out)["id"]
    late = asya("cancel", done)
    assert (late.code, late.out) == (1, f"{done}: has already succeeded\n")


def test_a_cancel_ends_no_envelope_whose_id_only_begins_with_it(asya: CommandLine):
    """Neither one that runs, nor one that is sent later, nor is such a one told to be cancelled."""
    assert asya("send", "forget", "--payload", "{}", "--id", "report-11").code == 0
    assert asya("send", "forget", "--payload", "{}", "--id", "report-11-30").code == 0
    answer = asya("cancel", "report-11", "--wait", "120s")
    assert (answer.code, answer.out) == (0, "report-11: cancelled\n")
    later = asya("send", "greet", "--payload", '{"who": "x"}', "--id", "report-11-28", "--wait", "--timeout", "120s")
    assert later.code == 0, later.err
    assert json.loads(asya("why", "report-11-30", "--json").out)["held_by"] in ("handler", "queue", "scaling")
    assert asya("cancel", "report-11-30", "--wait", "120s").out == "report-11-30: cancelled\n"


def test_a_wait_is_for_the_end_of_this_send(asya: CommandLine):
    for who in ("first", "second"):
        answer = asya(
            "send", "greet", "--payload", f'{{"who": "{who}"}}', "--id", "again", "--wait", "--timeout", "120s"
        )
        assert json.loads(answer.out) == {"message": f"Hello {who}!"}


def test_a_wait_for_a_send_that_dedup_drops_ends_with_the_end_of_the_send_before(asya: CommandLine):
    """And says so, instead of waiting for an end that never comes."""
    send = ("send", "once", "--id", "same", "--payload", '{"who": "you"}', "--wait", "--timeout", "120s")
    first, second = asya(*send), asya(*send)
    assert json.loads(first.out) == json.loads(second.out) == {"message": "Hello you!"}
    assert "same: once has done it before, so that it was not run again" in second.err


@pytest.mark.parametrize("route", [["gret"], ["greet", "gret"]])
def test_an_actor_that_the_mesh_does_not_have_is_refused_with_the_nearest_name(asya: CommandLine, route: list[str]):
    answer = asya("send", *route, "--payload", '{"who": "you"}')
    assert (answer.code, answer.out) == (1, "")
    text = "this mesh has no actor 'gret', only fan-in, forget, greet, once; did you mean 'greet'?"
    assert text in answer.err


HEAVY = {"boto3", "botocore", "pika", "pydantic", "httpx2", "urllib3", "asyncio", "jsonschema", "kubernetes_asyncio"}
"""What takes long to import, or stands for asking brokers, gateways and manifests."""


@pytest.mark.parametrize("words", [["--version"], ["local", "status"]])
def test_finding_the_mesh_imports_little(asya: CommandLine, words: list[str]):
    """What people type all day: neither reads manifests nor opens a broker."""
    said = asya(*words, PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in said.err.splitlines()}
    assert "asya_cli" in imported
    assert not imported & HEAVY


def test_status_lists_every_actor(asya: CommandLine):
    actors = {actor["name"]: actor for actor in json.loads(asya("local", "status", "--json").out)["actors"]}
    assert {"greet", "forget", "happy-end", "error-end"} <= actors.keys()
    table = asya("local", "status").out.splitlines()
    assert table[0].split()[:3] == ["ACTOR", "STATUS", "RUNNING"]
    assert len(table) == len(actors) + 2
    assert table[-1].startswith("console: http://127.0.0.1:")


def test_logs_are_those_of_the_actor(asya: CommandLine):
    assert asya("send", "greet", "--payload", '{"who": "logs"}', "--wait").code == 0
    assert asya("local", "logs", "greet").out
    assert asya("send", "greet", "--payload", '{"who": "logs"}', "--id", "logged-1", "--wait").code == 0
    told: list[dict[str, str]] = []

    def both_settled() -> bool:  # a result is there before its end actor has settled
        told[:] = [json.loads(line) for line in asya("logs", "logged-1", "--json").out.splitlines()]
        told_by = (re.fullmatch(r"(.+)/[0-9]+-sidecar", line["source"]) for line in told)  # whichever replica it was
        return {"greet", "happy-end"} <= {sidecar[1] for sidecar in told_by if sidecar}

    wait_until(both_settled, 60, "both sidecars have logged the envelope", lambda: told)
    assert [line["time"] for line in told] == sorted(line["time"] for line in told)
    assert asya("logs", "no-such").code == 1
    assert asya("local", "logs", "nobody").code == 1


def test_a_second_up_finds_the_first(asya: CommandLine):
    manifests = str(asya.folder)
    assert asya("local", "up", "-f", manifests, "--transport", "memory").code == 0
    assert asya("send", "greet", "--payload", '{"who": "again"}', "--wait").code == 0


@pytest.mark.parametrize(
    "words", [["local", "status"], ["send", "greet", "--payload", "{}"], ["result", "x"], ["local", "logs"]]
)
def test_without_a_mesh_the_exit_code_is_3_and_the_cure_is_named(nowhere: CommandLine, words: list[str]):
    answer = nowhere(*words)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.endswith("try: asya local up -f FILE, in the folder of a manifest; asya init NAME makes one\n")


def test_taking_down_what_is_not_there_is_no_error(nowhere: CommandLine):
    assert nowhere("local", "down", "--json").out == '{"was_running": false}\n'


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["send", "greet"], "--payload"),
        (["send", "greet", "--payload", "{who: you}"], "not JSON"),
        (["send", "happy-end", "--payload", "{}"], "cannot be part of a route"),
        (["result", "x", "--wait", "soon"], "soon"),
        (["local", "up", "-f", "/nowhere.yaml"], "/nowhere.yaml"),
    ],
)
def test_a_command_that_cannot_be_used_exits_with_2_and_says_why(nowhere: CommandLine, words: list[str], problem: str):
    answer = nowhere(*words)
    assert answer.code == 2
    assert problem in answer.err
    assert "Traceback" not in answer.err


def test_a_manifest_that_breaks_a_rule_exits_with_2_and_names_the_field(nowhere: CommandLine, tmp_path: Path):
    manifest = tmp_path / "actors.yaml"
    manifest.write_text(MANIFEST.format(name="greet").replace("maxReplicas: 3", "maxReplicas: none"))
    answer = nowhere("local", "up", "-f", str(manifest), "--transport", "memory")
    assert answer.code == 2
    assert "maxReplicas" in answer.err
