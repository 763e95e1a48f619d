"""The pieces of streams in memory: each once and in order, gaps and new beginnings told, within their bounds."""

from typing import Any

import msgspec
import pytest

from asya_gateway.records import pieces as records
from asya_gateway.records.pieces import Anew, Gap, Piece, PieceBoard, Place, Taken, Told
from asya_protocol.pieces import PieceBatch

ROOM = 1 << 20


def batch(run: str, first: int, *pieces: object, hop: int = 0, ended: bool = False, **more: Any) -> PieceBatch:
    bodies = [msgspec.Raw(msgspec.json.encode(piece)) for piece in pieces]
    return PieceBatch(
        **{
            "id": "e1",
            "actor": f"a{hop}",
            "run": run,
            "hop": hop,
            "first": first,
            "pieces": bodies,
            "ended": ended,
            **more,
        }
    )


def read(told: list[Told]) -> list[object]:
    found: list[object] = []
    for one in told:
        match one:
            case Piece(body=body):
                found.append(msgspec.json.decode(body))
            case Gap(lost=lost):
                found.append(f"{lost} lost")
            case Anew(actor=actor, attempt=attempt):
                found.append(f"anew {actor} {attempt}")
    return found


def test_a_reader_gets_every_piece_once_whenever_it_comes_and_goes_on_where_it_was() -> None:
    board = PieceBoard(ROOM)
    board.add(batch("r1", 0, "a", "b"), 0)
    told = board.after("e1", None, 100)
    assert read(told) == ["a", "b"]
    assert board.after("e1", told[-1].place, 100) == []
    board.add(batch("r1", 2, "c", ended=True), 0)
    assert read(board.after("e1", told[-1].place, 100)) == ["c"]
    assert read(board.after("e1", told[0].place, 100)) == ["b", "c"]
    assert read(board.after("e1", None, 100)) == ["a", "b", "c"]
    assert board.after("e2", None, 100) == []


def test_what_comes_twice_counts_once() -> None:
    board = PieceBoard(ROOM)
    assert board.add(batch("r1", 0, "a", "b"), 0) == Taken(new=2)
    assert board.add(batch("r1", 0, "a", "b", "c"), 0) == Taken(new=1)
    assert read(board.after("e1", None, 100)) == ["a", "b", "c"]


def test_what_was_lost_on_its_way_is_told_and_counted() -> None:
    board = PieceBoard(ROOM)
    board.add(batch("r1", 0, "a"), 0)
    assert board.add(batch("r1", 3, "d"), 0) == Taken(new=1, lost=2)
    assert board.add(batch("r1", 6, ended=True), 0) == Taken(lost=2)
    told = board.after("e1", None, 100)
    assert read(told) == ["a", "2 lost", "d", "2 lost"]
    assert board.after("e1", told[-1].place, 100) == []


def test_a_handler_that_is_called_again_starts_its_stream_anew_and_late_pieces_of_the_first_call_are_nobody_s() -> None:
    board = PieceBoard(ROOM)
    board.add(batch("r1", 0, "a", "b"), 0)
    place = board.after("e1", None, 100)[-1].place
    board.add(batch("r2", 0, "A", attempt=2), 0)
    assert board.add(batch("r1", 2, "c"), 0) == Taken()
    assert read(board.after("e1", place, 100)) == ["anew a0 2", "A"]
    assert read(board.after("e1", None, 100)) == ["A"], "who comes now has nothing to forget"


def test_the_next_actor_s_stream_follows_and_only_its_own_starts_anew() -> None:
    board = PieceBoard(ROOM)
    board.add(batch("r1", 0, "a", ended=True), 0)
    board.add(batch("r2", 0, "b", hop=1), 0)
    place = board.after("e1", None, 100)[-1].place
    assert read(board.after("e1", None, 100)) == ["a", "b"]
    board.add(batch("r3", 0, "B", hop=1, attempt=2), 0)
    assert read(board.after("e1", place, 100)) == ["anew a1 2", "B"]
    board.add(batch("r4", 0, "again"), 0)  # sent again from its beginning
    assert read(board.after("e1", place, 100)) == ["anew a0 1", "again"]


def test_the_next_actor_s_pieces_wait_for_the_end_of_the_stream_before_but_not_for_long() -> None:
    board = PieceBoard(ROOM)
    board.add(batch("r1", 0, "a"), 10)
    board.add(batch("r2", 0, "b", hop=1), 10.1)
    told = board.after("e1", None, 10.2)
    assert (read(told), board.held_until_s("e1", 10.2)) == (["a"], 10.1 + records.LATE_S)
    board.add(batch("r1", 1, "c", ended=True), 10.3)
    assert read(board.after("e1", told[-1].place, 10.3)) == ["c", "b"]
    assert board.held_until_s("e1", 10.3) is None


def test_what_a_stream_says_long_after_the_next_one_began_is_lost_and_counted() -> None:
    board = PieceBoard(ROOM)
    board.add(batch("r1", 0, "a"), 10)
    board.add(batch("r2", 0, "b", hop=1), 10.1)
    assert read(board.after("e1", None, 11.2)) == ["a", "b"], "its sidecar is gone, perhaps"
    assert board.add(batch("r1", 1, "c"), 11.2) == Taken(lost=1)


def test_a_reader_s_place_that_is_not_known_is_before_everything() -> None:
    board = PieceBoard(ROOM)
    board.add(batch("r1", 5, "f", "g"), 0)  # this gateway has started since
    assert read(board.after("e1", Place("r1", 5), 100)) == ["f", "g"]
    assert read(board.after("e1", Place("r0", 9), 100)) == ["anew a0 1", "5 lost", "f", "g"]


def test_a_stream_has_ended_when_all_its_runs_have() -> None:
    board = PieceBoard(ROOM)
    assert board.has_ended("e1")
    board.add(batch("r1", 0, "a"), 0)
    assert not board.has_ended("e1")
    board.add(batch("r1", 1, ended=True), 0)
    assert board.has_ended("e1")


def test_the_oldest_pieces_of_a_long_stream_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_PIECES", 3)
    board = PieceBoard(ROOM)
    assert board.add(batch("r1", 0, 0, 1, 2, 3, 4), 0) == Taken(new=5, forgotten=2)
    assert read(board.after("e1", None, 100)) == ["2 lost", 2, 3, 4]


def test_the_streams_that_rested_longest_make_room_for_others() -> None:
    board = PieceBoard(10)
    board.add(batch("r1", 0, "aaaa", id="e1"), 0)
    assert board.add(batch("r2", 0, "bbbb", id="e2"), 1) == Taken(new=1, forgotten=1)
    assert "e1" not in board
    assert read(board.after("e2", None, 100)) == ["bbbb"]


def test_streams_are_over_some_time_after_their_end() -> None:
    board = PieceBoard(ROOM)
    board.add(batch("r1", 0, "a"), 10)
    assert (board.rested(9), board.rested(10)) == ([], ["e1"])
    board.touch("e1", 20)
    assert board.rested(10) == []
    board.note_final("e1", 30)
    assert (board.rested(40), board.over(29), board.over(30)) == ([], [], ["e1"])
    board.forget("e1")
    assert "e1" not in board
