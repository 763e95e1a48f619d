"""Words that say why."""

import json

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
