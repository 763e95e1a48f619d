"""Ids are opaque: what one looks like makes it nobody's child."""

from asya_cli.exit_codes import ExitCode
from tests.component.users.conftest import ended, sent
from tests.support.command_line import CommandLine


def test_a_cancel_takes_the_one_that_is_named_and_none_that_begins_with_it(asya: CommandLine) -> None:
    sent(asya, "slow", payload={"s": 600}, envelope_id="report-2026-11")
    other = sent(asya, "slow", payload={"s": 3}, envelope_id="report-2026-11-30")
    assert asya("cancel", "report-2026-11").code == 0
    assert ended(asya, other)[0] == 0
    assert ended(asya, "report-2026-11")[0] == ExitCode.CANCELLED


def test_a_cancel_takes_what_a_fan_out_made_where_its_first_item_has_ended(asya: CommandLine) -> None:
    ended(asya, sent(asya, "parts", "steps", payload=[0, 600], envelope_id="ids-parts"))
    assert "what else its fan-out made is cancelled" in asya("cancel", "ids-parts").out
    assert ended(asya, "ids-parts-1")[0] == ExitCode.CANCELLED
    assert asya("logs", "ids-parts-1").code == 0


def test_an_own_id_that_looks_like_a_childs_is_its_own(asya: CommandLine) -> None:
    """Sent while the children of ``book`` are under way, at the same actors, with the same store."""
    book = sent(asya, "split", "weak", "fan-in", "total", payload={"of": 3}, envelope_id="book")
    own = sent(asya, "split", "weak", "fan-in", "total", payload={"of": 1}, envelope_id="book-1")
    assert ended(asya, own)[1]["payload"] == {"got": [0]}
    assert ended(asya, book)[1]["payload"] == {"got": [0, 1, 2]}


def test_a_wait_looks_for_the_end_of_this_send(asya: CommandLine) -> None:
    for payload in ("first", "second"):
        done = asya("send", "total", "--id", "twice", "--payload", f'"{payload}"', "--wait", "--json")
        assert done.document["payload"] == {"got": payload}, done
