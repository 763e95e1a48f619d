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
