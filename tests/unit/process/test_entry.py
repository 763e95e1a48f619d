"""How a process begins, and what cuts its work short."""

import asyncio
import json
import logging
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from asya_process import signals
from asya_process.entry import run_process, unless_stopped
from asya_protocol.errors import SettingsError, TransportUnavailable


@dataclass(frozen=True)
class Settings:
    """The least that a process needs."""

    log_level: str = "INFO"


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_setting_that_cannot_be_used_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> Settings:
        raise SettingsError("ASYA_X", "is required")

    async def work(_: Settings) -> None:
        raise AssertionError("never begun")

    with pytest.raises(SystemExit) as caught:
        run_process("mill", refuse, work)
    assert (caught.value.code, capsys.readouterr().err) == (1, "asya-mill: ASYA_X: is required\n")


def test_what_stops_the_work_is_one_line_of_the_log_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    async def work(_: Settings) -> None:
        raise TransportUnavailable("the broker is away")

    with pytest.raises(SystemExit) as caught:
        run_process("mill", Settings, work)
    (line,) = capsys.readouterr().out.splitlines()
    said = json.loads(line)
    assert caught.value.code == 1
    assert (said["message"], said["error"]) == ("mill cannot run", "the broker is away")
    assert (said["logger"], said["error_type"]) == ("asya_mill", "TransportUnavailable")


def test_what_the_work_returns_is_handed_on() -> None:
    async def work(settings: Settings) -> str:
        return settings.log_level

    assert run_process("mill", Settings, work) == "INFO"


async def test_work_that_ends_before_the_stop_gives_its_result() -> None:
    assert await unless_stopped(asyncio.sleep(0, "done"), asyncio.Event()) == "done"


async def test_a_stop_cancels_the_work_and_waits_for_its_end() -> None:
    ended, stop = [], asyncio.Event()

    async def work() -> str:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)
        return "never"

    asyncio.get_running_loop().call_soon(stop.set)
    assert await unless_stopped(work(), stop) is None
    assert ended == [True]


async def test_a_signal_that_was_held_back_sets_the_event() -> None:
    signals.hold()
    # To this thread, as others of a test process do not hold it back.
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    stop = signals.stop_event()
    try:
        async with asyncio.timeout(5):
            await stop.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
