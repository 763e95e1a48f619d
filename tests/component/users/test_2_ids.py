"""Ids are opaque: what one looks like makes it nobody's child."""

from tests.component.users.conftest import ended, sent
from tests.support.command_line import CommandLine


def test_a_cancel_takes_the_one_that_is_named_and_none_that_begins_with_it(asya: CommandLine) -> None:
    sent(asya, "slow", payload={"s": 3}, envelope_id="report-2026-11")
    other = sent(asya, "slow", payload={"s": 3}, envelope_id="report-2026-11-30")
    assert asya("cancel", "report-2026-11").code == 0
    assert ended(asya, other)[0] == 0
    assert ended(asya, "report-2026-11")[0] != 0
