"""The word that names an actor's state."""

from pathlib import Path

import pytest

from asya_local.mesh_status import ActorStatus, MeshStatus, name_state
from asya_local.state import StateFolder


@pytest.mark.parametrize(
    ("ready", "present", "desired", "runtime_fails", "trouble", "expected"),
    [
        (0, 0, 0, False, False, "Napping"),
        (0, 0, 2, False, False, "ScalingUp"),
        (1, 2, 2, False, False, "ScalingUp"),
        (2, 2, 2, False, False, "Running"),
        (3, 3, 2, False, False, "ScalingDown"),
        (2, 2, 2, False, True, "Degraded"),
        (0, 1, 1, True, True, "RuntimeError"),
    ],
)
def test_the_state_follows_from_counts_and_troubles(
    *, ready: int, present: int, desired: int, runtime_fails: bool, trouble: bool, expected: str
):
    """First trouble, then what is missing or too much."""
    state = name_state(ready=ready, present=present, desired=desired, runtime_fails=runtime_fails, trouble=trouble)
    assert state == expected


def test_a_status_survives_its_file(tmp_path: Path):
    """What the supervisor writes is what a command reads."""
    actor = ActorStatus("a", "Running", 1, 1, 0, 4, 2, 1, 10, 0, 0, "")
    status = MeshStatus(running=True, transport="sqs", updated_at=1.5, actors=[actor], message="x")
    StateFolder(tmp_path).write_status(status)
    assert StateFolder(tmp_path).read_status() == status
