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
