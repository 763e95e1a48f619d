"""Words that say why."""

from tests.component.users.conftest import sent, soon
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


def test_a_tool_whose_route_names_no_actor_is_refused_with_a_command_that_there_is(asya: CommandLine) -> None:
    done = asya("call", "call_nobody")
    assert (done.code, "try: asya local status" in done.err) == (1, True)
