"""The user's own Python."""

import time

from tests.component.users.conftest import ended, sent
from tests.support.command_line import CommandLine


def test_the_loop_of_an_async_handler_runs_between_envelopes(asya: CommandLine) -> None:
    for number in range(10):
        code, said = ended(asya, sent(asya, "ticking", payload={}, envelope_id=f"loop-{number}"))
        assert code == 0
        if said["payload"]["ticks"] > 10:  # one replica may have gone to sleep meanwhile
            return
        time.sleep(0.5)
    raise AssertionError(said)
