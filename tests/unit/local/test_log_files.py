"""The logs of a local mesh: cut when they are full, read from their end, followed."""

from pathlib import Path

import pytest

from asya_local.log_files import Follower, rotate, tail


def test_a_full_log_is_cut_and_its_newest_part_kept(tmp_path: Path):
    """Whoever writes it goes on at the start, because it appends."""
    path = tmp_path / "a" / "1-runtime.log"
    path.parent.mkdir()
    with path.open("ab") as writer:
        writer.write(b"0123456789" * 10)
        writer.flush()
        assert rotate(tmp_path, max_bytes=50) == [path]
        writer.write(b"new")
        writer.flush()
    assert path.read_bytes() == b"new"
    assert (tmp_path / "a" / "1-runtime.log.1").read_bytes() == b"0123456789" * 5
    assert rotate(tmp_path, max_bytes=50) == []


@pytest.mark.parametrize(("lines", "expected"), [(0, []), (1, ["c"]), (2, ["b", "c"]), (9, ["a", "b", "c"])])
def test_the_newest_lines_of_a_log_are_read_from_its_end(tmp_path: Path, lines: int, expected: list[str]):
    """Also when there are fewer."""
    path = tmp_path / "x.log"
    path.write_text("a\nb\nc\n")
    assert tail(path, lines) == expected


def test_the_end_of_a_long_log_is_found_without_reading_all_of_it(tmp_path: Path):
    """Lines longer than a block too."""
    path = tmp_path / "x.log"
    path.write_text("".join(f"{number:0100000}\n" for number in range(20)))
    assert [line[-2:] for line in tail(path, 3)] == ["17", "18", "19"]


def test_following_yields_whole_added_lines_also_of_new_and_of_cut_logs(tmp_path: Path):
    """Not half a line, and none twice."""
    first, second = tmp_path / "a.log", tmp_path / "b.log"
    first.write_text("old\n")
    follower = Follower([first])
    with first.open("a") as writer:
        writer.write("one\ntw")
    assert list(follower.poll([first])) == [(first, "one")]
    with first.open("a") as writer:
        writer.write("o\n")
    second.write_text("new\n")
    assert list(follower.poll([first, second])) == [(first, "two"), (second, "new")]
    first.write_text("")
    first.write_text("cut\n")
    assert list(follower.poll([first, second])) == [(first, "cut")]
    follower.close()
