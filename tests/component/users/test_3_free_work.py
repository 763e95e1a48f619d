"""Work goes to who is free."""

from tests.component.users.conftest import ended, sent
from tests.support.command_line import CommandLine


def test_short_ones_end_before_a_long_one_that_began_first(asya: CommandLine) -> None:
    long = sent(asya, "slow", payload={"s": 600}, envelope_id="free-long")
    for each in [sent(asya, "slow", payload={"s": 0.05}, envelope_id=f"free-{number}") for number in range(6)]:
        assert ended(asya, each)[0] == 0
    assert asya("cancel", long).code == 0
    assert ended(asya, long)[0] != 0
