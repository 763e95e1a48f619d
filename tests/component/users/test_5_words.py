"""Words that say why."""

import json

import pytest

from asya.client import AsyncMesh
from tests.component.users.conftest import ended, sent, soon
from tests.support.command_line import CommandLine


def test_why_names_the_actor_that_cannot_be_loaded_with_file_and_line(asya: CommandLine) -> None:
    envelope_id = sent(asya, "broken", payload={}, envelope_id="words-broken")
    said = soon(lambda: asya("why", envelope_id).out, "nobody_has_it")
    assert "nothing is known" not in said
    assert "broken" in said
    assert "broken.py" in said


def test_an_actor_that_there_is_not_is_refused_with_the_nearest_name(asya: CommandLine) -> None:
    done = asya("send", "totl", "--payload", "{}")
    assert done.code != 0
    assert "total" in done.err


def test_a_call_names_the_actor_that_cannot_start_while_it_waits(asya: CommandLine) -> None:
    done = asya("call", "call_broken", "--timeout", "12s")
    assert done.code == 4
    waiting = [line for line in done.err.splitlines() if line.startswith("no result yet after")]
    assert any("nobody_has_it" in line for line in waiting), done.err
    for command in ("wait", "stream"):
        again = asya(command, done.err.split()[1], "--timeout", "4s")
        assert again.code == 4
        assert "no result yet after 2 of 4 s: broken is RuntimeError" in again.err
        assert "kubectl" not in again.err


def test_an_unknown_tool_is_refused_with_the_nearest_name(asya: CommandLine) -> None:
    done = asya("call", "call_brokn")
    assert (done.code, "did you mean 'call_broken'" in done.err) == (5, True)


@pytest.mark.parametrize(
    "text", ["{name: call_broken, rout: [broken]}", "{name: t, route: [total], outputSchema: {type: 1}}"]
)
def test_tool_files_that_are_broken_are_told_by_whoever_uses_them(asya: CommandLine, text: str) -> None:
    path = asya.folder / "tools.yaml"
    good = path.read_text()
    path.write_text(f"tools:\n  - {text}\n")
    try:
        for command in (("tools",), ("call", "call_broken", "--no-wait")):
            said = soon(lambda command=command: asya(*command).err, "the last good ones serve")
            assert "warning: the tool files are broken" in said
        said = soon(lambda: asya("local", "status").err, "tool")
        assert "last good" in said or "tools.yaml: tools[0]" in said
    finally:
        path.write_text(good)
    soon(lambda: asya("tools").err or "well", "well")


def test_a_tool_whose_route_names_no_actor_is_refused_with_a_command_that_there_is(asya: CommandLine) -> None:
    done = asya("call", "call_nobody")
    assert (done.code, "try: asya local status" in done.err) == (1, True)


def test_a_command_that_there_is_not_is_refused_with_the_nearest_name(asya: CommandLine) -> None:
    done = asya("sned", "total")
    assert done.code == 2
    assert "send" in done.err


def test_what_failed_is_replayed_once_it_is_mended(asya: CommandLine) -> None:
    flag = asya.folder / "flag"
    envelope_id = sent(asya, "mended", payload={"flag": str(flag)}, envelope_id="words-replay")
    code, said = ended(asya, envelope_id)
    assert code != 0
    assert "mended.py" in str(said["error"])
    flag.touch()
    replayed = asya("replay", envelope_id)
    assert replayed.code == 0, replayed
    soon(lambda: asya("result", envelope_id).out, '"mended"')


def test_logs_of_an_envelope_are_in_order_of_time_across_its_actors(asya: CommandLine) -> None:
    ended(asya, sent(asya, "weak", "total", payload={"bad": False, "n": 1}, envelope_id="words-logs"))
    soon(lambda: asya("logs", "words-logs").out, "total/")
    times = [json.loads(line)["time"] for line in asya("logs", "words-logs", "--json").out.splitlines()]
    assert len(times) > 1
    assert times == sorted(times)


async def test_a_program_has_a_client_for_the_same_mesh(asya: CommandLine) -> None:
    async with AsyncMesh(home=asya.folder / "home") as mesh:
        assert await mesh.call(["total"], {"by": "client"}) == {"got": {"by": "client"}}
