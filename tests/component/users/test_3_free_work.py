"""Work goes to who is free."""

from tests.component.users.conftest import ended, sent
from tests.support.command_line import CommandLine


def test_short_ones_end_before_a_long_one_that_began_first(asya: CommandLine) -> None:
    long = sent(asya, "slow", payload={"s": 12}, envelope_id="free-long")
    short = [sent(asya, "slow", payload={"s": 0.05}, envelope_id=f"free-{number}") for number in range(6)]
    ends = [ended(asya, each)[1]["payload"]["at"] for each in short]
    assert max(ends) < ended(asya, long)[1]["payload"]["at"]
