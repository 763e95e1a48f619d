"""Pieces that wait: in order, bounded, the oldest given up first and counted."""

import msgspec
import pytest

from asya_protocol.pieces import PieceBatch, Run
from asya_sidecar.core.piece_backlog import PieceBacklog, batches_of

ONE = Run(id="e1", run="r1", actor="llm", hop=1, attempt=2, mark="m")
TWO = Run(id="e2", run="r2")


def raws(*numbers: int) -> list[msgspec.Raw]:
    return [msgspec.Raw(b"%d" % number) for number in numbers]


def told(batches: list[PieceBatch]) -> list[tuple[str, int, list[int], bool]]:
    return [
        (batch.id, batch.first, [msgspec.json.decode(piece) for piece in batch.pieces], batch.ended)
        for batch in batches
    ]


def test_pieces_of_one_run_that_follow_one_another_are_one_batch_whatever_is_between_them() -> None:
    backlog = PieceBacklog()
    backlog.add(ONE, 0, raws(0, 1))
    backlog.add(ONE, 2, raws(2))
    backlog.add(TWO, 0, raws(0))
    backlog.add(ONE, 3, raws(3))
    backlog.end(ONE, 4)
    batches = batches_of(backlog.take(100))
    assert told(batches) == [("e1", 0, [0, 1, 2, 3], True), ("e2", 0, [0], False)]
    assert (batches[0].run, batches[0].actor, batches[0].hop, batches[0].attempt, batches[0].mark) == (
        "r1",
        "llm",
        1,
        2,
        "m",
    )
    assert not backlog


def test_a_gap_begins_a_batch() -> None:
    backlog = PieceBacklog()
    backlog.add(ONE, 0, raws(0))
    backlog.add(ONE, 5, raws(5))
    assert told(batches_of(backlog.take(100))) == [("e1", 0, [0], False), ("e1", 5, [5], False)]


def test_an_end_without_pieces_says_where_the_run_stood() -> None:
    backlog = PieceBacklog()
    backlog.end(ONE, 7)
    assert told(batches_of(backlog.take(100))) == [("e1", 7, [], True)]


@pytest.mark.parametrize(
    ("backlog", "left"), [(PieceBacklog(limit=3), [7, 8, 9]), (PieceBacklog(limit_bytes=2), [8, 9])]
)
def test_without_room_the_oldest_go_and_are_counted(backlog: PieceBacklog, left: list[int]) -> None:
    backlog.add(ONE, 0, raws(*range(10)))
    assert backlog.dropped == 10 - len(left)
    assert told(batches_of(backlog.take(100))) == [("e1", left[0], left, False)]


def test_what_was_not_taken_waits_in_its_old_place_as_far_as_there_is_room() -> None:
    backlog = PieceBacklog(limit=4)
    backlog.add(ONE, 0, raws(0, 1, 2))
    taken = backlog.take(2)
    backlog.add(ONE, 3, raws(3, 4))
    backlog.take_back(taken)
    assert told(batches_of(backlog.take(100))) == [("e1", 1, [1, 2, 3, 4], False)]
    assert backlog.dropped == 1
