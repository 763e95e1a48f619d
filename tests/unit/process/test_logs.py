"""Logs of a process: one JSON object per line, whatever a caller hands over, and one write for a turn of the loop."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from asya_process.logs import JsonFormatter, TurnHandler


class Writes(io.StringIO):
    """Counts its writes."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def write(self, text: str) -> int:
        self.count += 1
        return super().write(text)

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def out() -> Iterator[Writes]:
    stream = Writes()
    handler = TurnHandler(stream)
    handler.setFormatter(JsonFormatter())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    yield stream
    log.removeHandler(handler)


log = logging.getLogger("mill")


def test_a_line_has_time_level_logger_message_and_what_the_caller_adds(out: Writes) -> None:
    log.info("ground %d", 3, extra={"where": Path("/mill"), "why": ValueError("dust"), "each": {1}, "by": {(1, 2): 3}})
    (line,) = out.lines()
    assert str(line.pop("time")).endswith("Z")
    said = {"level": "INFO", "logger": "mill", "message": "ground 3"}
    assert line == {**said, "where": "/mill", "why": "ValueError: dust", "each": [1], "by": {"(1, 2)": 3}}


def test_what_json_has_no_form_for_costs_no_line(out: Writes) -> None:
    endless: list[object] = []
    endless.append(endless)
    log.info("round", extra={"endless": endless})
    (line,) = out.lines()
    assert line["message"] == "round"


def test_an_exception_is_one_field(out: Writes) -> None:
    log.error("broken", exc_info=RuntimeError("stuck"))
    (line,) = out.lines()
    assert str(line["exc_info"]).endswith("RuntimeError: stuck")


async def test_what_one_turn_says_leaves_in_one_write(out: Writes) -> None:
    for number in range(3):
        log.info("turn", extra={"number": number})
    assert out.count == 0
    await asyncio.sleep(0)
    assert (out.count, [line["number"] for line in out.lines()]) == (1, [0, 1, 2])


async def test_a_warning_is_written_at_once_and_behind_what_was_said_before(out: Writes) -> None:
    log.info("first")
    log.warning("second")
    assert [line["message"] for line in out.lines()] == ["first", "second"]


async def test_another_thread_writes_at_once(out: Writes) -> None:
    log.info("first")
    await asyncio.to_thread(log.info, "second")
    assert [line["message"] for line in out.lines()] == ["first", "second"]


def test_a_loop_that_ended_before_its_write_holds_nothing_back(out: Writes) -> None:
    async def say(text: str) -> None:
        log.info(text)

    for text in ("first", "second"):
        loop = asyncio.new_event_loop()
        coroutine = say(text)
        with pytest.raises(StopIteration):
            asyncio._set_running_loop(loop)
            try:
                coroutine.send(None)
            finally:
                asyncio._set_running_loop(None)
        loop.close()
    log.info("third")
    assert [line["message"] for line in out.lines()] == ["first", "second", "third"]
