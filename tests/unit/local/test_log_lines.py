"""Lines of logs: one form for all, in UTC, in the order of time, whoever wrote them and however."""

from datetime import datetime
from pathlib import Path

import pytest

from asya_local.log_files import read_logs, read_logs_of
from asya_local.log_lines import mentions, newest, read_lines

EARLY = (
    '{"time":"2026-11-30T10:00:00.100Z","level":"INFO","logger":"x","message":"envelope settled",'
    '"envelope_id":"e-1","result":"success"}'
)
LATE = (
    '{"time":"2026-11-30T10:00:00.300Z","level":"ERROR","logger":"x","message":"runtime lost",'
    '"envelope_id":"e-1-0","parents":["e-1"]}'
)


def test_a_json_line_is_told_in_one_form() -> None:
    (line,) = read_lines("ocr/1-sidecar", [EARLY], 0.0)
    assert str(line) == "2026-11-30T10:00:00.100Z ocr/1-sidecar INFO envelope settled envelope_id=e-1 result=success"
    assert (line.actor, line.raw) == ("ocr", EARLY)
    assert line.as_json() == {
        "time": "2026-11-30T10:00:00.100Z",
        "source": "ocr/1-sidecar",
        "level": "INFO",
        "message": "envelope settled",
        "fields": {"envelope_id": "e-1", "result": "success"},
    }


def test_the_runtimes_local_time_is_told_in_utc_and_a_traceback_stays_behind_its_error() -> None:
    stamp = datetime.fromisoformat("2026-11-30T10:00:00Z").astimezone().strftime("%Y-%m-%d %H:%M:%S")
    lines = list(read_lines("a/1-runtime", ["said", f"{stamp} - asya - ERROR - boom", "Traceback", '  File "x"'], 7.0))
    assert [line.at_s for line in lines] == [7.0, *[1796032800.0] * 3]
    assert (lines[1].time, lines[1].level, lines[1].message) == ("2026-11-30T10:00:00.000Z", "ERROR", "boom")


@pytest.mark.parametrize("odd", ["{", '{"time": 3}', '{"message": "no time"}', "[1]", "", "{}" * 3])
def test_what_is_no_line_of_ours_is_kept_as_it_is(odd: str) -> None:
    (line,) = read_lines("a/1-runtime", [odd], 5.0)
    assert (line.at_s, line.message) == (5.0, odd)


@pytest.mark.parametrize(
    ("line", "about"),
    [
        (EARLY, True),
        (LATE, True),
        ("working on e-1: done", True),
        ("working on e-10", False),
        ("working on file-e-1", False),
        ('{"envelope_id":"e-1-0"}', False),
    ],
)
def test_an_id_is_found_as_a_whole(line: str, about: bool) -> None:
    assert mentions("e-1", line) is about


def test_logs_of_all_replicas_are_one_in_the_order_of_time(tmp_path: Path) -> None:
    for name, text in (("ocr/1-sidecar.log", LATE), ("ocr/2-sidecar.log", EARLY), ("b/1-sidecar.log.1", EARLY)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{text}\n")
    assert [line.source for line in read_logs(tmp_path, "ocr", follow=False, lines=5)] == [
        "ocr/2-sidecar",
        "ocr/1-sidecar",
    ]
    assert [line.source for line in read_logs_of(tmp_path, "e-1")] == ["b/1-sidecar", "ocr/2-sidecar", "ocr/1-sidecar"]
    assert read_logs_of(tmp_path, "e-2") == []


def test_a_local_meshs_runtime_tells_milliseconds_so_that_it_stands_in_its_place() -> None:
    stamp = datetime.fromisoformat("2026-11-30T10:00:00Z").astimezone().strftime("%Y-%m-%d %H:%M:%S")
    (line,) = read_lines("a/1-runtime", [f"{stamp}.250 - asya.runtime - INFO - ready"], 0.0)
    assert (line.time, line.message) == ("2026-11-30T10:00:00.250Z", "ready")


STAMPED = "2026-11-30 10:00:00 - asya.runtime - ERROR - boom"
BROKEN = ["Traceback (most recent call last):", '  File "x.py", line 1, in f', "    f()", "ValueError: torn"]


@pytest.mark.parametrize(
    ("lines", "count", "shown"),
    [
        ([STAMPED, STAMPED, *BROKEN], 1, [STAMPED, *BROKEN]),
        ([STAMPED, STAMPED, *BROKEN], 3, [STAMPED, *BROKEN]),
        ([STAMPED, "printed", *BROKEN], 2, BROKEN),
        (BROKEN, 2, BROKEN),
        ([STAMPED, *BROKEN, STAMPED, "printed"], 1, ["printed"]),
        ([STAMPED, *BROKEN, STAMPED], 1, [STAMPED]),
        (["one", "two", "three"], 2, ["two", "three"]),
        (["one"], 5, ["one"]),
        ([STAMPED, *BROKEN], 0, []),
        ([], 3, []),
    ],
)
def test_the_newest_lines_begin_with_the_head_of_a_traceback(lines: list[str], count: int, shown: list[str]) -> None:
    assert newest(lines, count) == shown
