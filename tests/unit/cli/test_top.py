"""``asya top``: figures as a person reads them."""

import pytest

from asya_cli.top import COLUMNS, notes, top_row, write_rate, write_seconds
from asya_local.mesh import ActorStatus, MeshStatus

OCR = ActorStatus(
    name="ocr", status="Running", replicas=2, desired=3, min=0, max=4, queued=7, in_flight=2, done=9, failed=1,
    restarts=0, message="capped", rate=12.34, p50_s=0.0125, oldest_s=75.0,
)  # fmt: skip


def test_a_row_has_a_cell_for_every_column():
    """In their order."""
    assert top_row(OCR) == ("ocr", "Running", "2/3", "7", "2", "12/s", "12 ms", "1m 15s")
    assert len(top_row(OCR)) == len(COLUMNS)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (0.0001, "0.1 ms"), (0.0042, "4.2 ms"), (0.25, "250 ms"), (1.0, "1.0 s"), (59.94, "59.9 s"),
        (60.0, "1m 00s"), (3599.0, "59m 59s"), (3600.0, "1h 00m"), (90000.0, "25h 00m"),
    ],
)  # fmt: skip
def test_a_time_is_written_in_the_unit_that_fits(seconds: float | None, text: str):
    """From fractions of a millisecond to days."""
    assert write_seconds(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0.0, "-"), (0.02, "0.02/s"), (1.5, "1.5/s"), (9.96, "10/s"), (250.4, "250/s")]
)
def test_a_low_rate_is_not_none(rate: float, text: str):
    """One envelope a minute is work."""
    assert write_rate(rate) == text


def test_messages_of_actors_and_of_the_mesh_are_notes():
    """Beside the figures, actors first."""
    assert notes(MeshStatus(True, "memory", 0.0, [OCR], "broker away")) == ["ocr: capped", "broker away"]
    assert notes(MeshStatus(True, "memory", 0.0, [])) == []
