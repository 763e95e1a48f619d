"""What was sent into a local mesh, remembered."""

from pathlib import Path

import pytest

from asya_local import sent
from asya_local.sent import SendNote, find_sent, note_sent
from asya_local.state import StateFolder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    StateFolder(tmp_path).logs.mkdir()
    return tmp_path


def test_the_last_send_of_an_id_is_found_and_no_other_is_taken_for_it(home: Path):
    """Also of an id that is a part of another, or stands in another field."""
    for at_s, envelope_id, actor in ((1.0, "a", "x"), (2.0, "a-1", "a"), (3.0, "a", "y")):
        note_sent(home, envelope_id, SendNote(at_s, actor, "t"))
    assert find_sent(home, "a") == SendNote(3.0, "y", "t")
    assert find_sent(home, "a-1") == SendNote(2.0, "a", "t")
    assert find_sent(home, "x") is None


def test_the_file_stays_below_a_size_and_the_last_sends_are_kept(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sent, "MAX_BYTES", 500)
    for number in range(100):
        note_sent(home, f"e{number}", SendNote(float(number), "x", ""))
    assert sum(file.stat().st_size for file in StateFolder(home).logs.iterdir()) < 1500
    assert (find_sent(home, "e99"), find_sent(home, "e0")) == (SendNote(99.0, "x", ""), None)


def test_a_folder_that_is_not_there_costs_the_words_alone(tmp_path: Path):
    note_sent(tmp_path / "away", "a", SendNote(1.0, "x", ""))
    assert find_sent(tmp_path / "away", "a") is None
