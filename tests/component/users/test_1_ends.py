"""An envelope ends once, with the truth."""

from tests.component.users.conftest import ended, sent
from tests.support.command_line import CommandLine


def test_a_group_with_a_child_that_failed_ends_once_with_the_real_cause(asya: CommandLine) -> None:
    route = ("split", "weak", "fan-in", "total")
    code, said = ended(asya, sent(asya, *route, payload={"of": 3, "bad": 1}, envelope_id="ends-bad"))
    assert code != 0
    assert "no paper" in str(said)
    assert not (asya.folder / "home").joinpath("results/ends-bad.json").exists()


def test_what_stands_behind_a_group_of_none_gets_an_empty_list(asya: CommandLine) -> None:
    route = ("split", "weak", "fan-in", "total")
    code, said = ended(asya, sent(asya, *route, payload={"of": 0}, envelope_id="ends-none"))
    assert (code, said["payload"]) == (0, {"got": []})


def test_a_child_that_a_group_took_in_is_told_as_joined_and_not_as_unknown(asya: CommandLine) -> None:
    parent = sent(asya, "split", "weak", "fan-in", "total", payload={"of": 2}, envelope_id="ends-kids")
    assert ended(asya, parent)[0] == 0
    told = asya("result", "ends-kids-1")
    assert told.code == 1
    assert told.err == (
        "error: no result of ends-kids-1: fan-in joined it with its siblings into ends-kids\n  try: asya result ends-kids\n"
    )
