"""The user's own Python."""

import time

from tests.component.users.conftest import SHADOWS, ended, sent
from tests.support.command_line import CommandLine


def test_the_loop_of_an_async_handler_runs_between_envelopes(asya: CommandLine) -> None:
    for number in range(2):
        code, said = ended(asya, sent(asya, "ticking", payload={}, envelope_id=f"loop-{number}"))
        assert code == 0
        time.sleep(0.5)
    assert said["payload"]["ticks"] > 10


def test_files_of_the_users_that_are_called_as_ours_stop_none_of_our_processes(asya: CommandLine) -> None:
    """They lie in the folder from which the mesh was brought up, and raise when they are imported."""
    assert {name for name in SHADOWS if (asya.folder / name).exists()} == set(SHADOWS)
    assert ended(asya, sent(asya, "total", payload=1, envelope_id="python-shadows"))[1]["payload"] == {"got": 1}


def test_a_handler_has_the_environment_of_dotenv_and_of_the_manifest(asya: CommandLine) -> None:
    names = ["FROM_DOTENV", "PLACE", "WHERE", "GONE", "SOCKET"]
    said = ended(asya, sent(asya, "reads", payload=names, envelope_id="python-env"))[1]
    assert said["payload"].pop("SOCKET").startswith("/")
    assert said["payload"] == {"FROM_DOTENV": "kept", "PLACE": "base", "WHERE": "/models/base", "GONE": None}
