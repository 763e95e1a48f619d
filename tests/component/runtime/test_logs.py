"""A handler's own log lines say which envelope they are about, whatever it has configured."""

import json
from typing import Any

import pytest

from tests.support.runtime_process import envelope, running

TRACE = "a" * 32
HEADERS = {"traceparent": f"00-{TRACE}-{'b' * 16}-01", "x-asya-attempt": 2}
ABOUT = {"envelope_id": "e1", "actor": "a", "hop": 0, "attempt": 2, "trace_id": TRACE}


def lines(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


@pytest.mark.parametrize("handler", ["plain", "later"])
@pytest.mark.parametrize("concurrency", ["1", "3"])
def test_a_line_of_a_handler_names_its_envelope(handler: str, concurrency: str) -> None:
    environ = {"ASYA_LOG_FORMAT": "json", "ASYA_CONCURRENCY": concurrency}
    with running(f"speaks.{handler}", environ=environ) as runtime, runtime.connect() as client:
        client.call(envelope(1, headers=HEADERS))
        runtime.wait_log("processed, 1 items")
        found = lines(runtime.log)
    (said,) = (line for line in found if line["message"] == "at work")
    assert {name: said[name] for name in ABOUT} == ABOUT
    assert (said["level"], said["logger"]) == ("INFO", "mine")
    (ours,) = (line for line in found if "processed" in line["message"])
    assert {name: ours[name] for name in ABOUT} == ABOUT
    (ready,) = (line for line in found if line["message"].startswith("ready on"))
    assert not ABOUT.keys() & ready.keys()


def test_a_traceback_stays_on_one_line() -> None:
    with running("speaks.fails", environ={"ASYA_LOG_FORMAT": "json"}) as runtime, runtime.connect() as client:
        client.call(envelope(1, headers=HEADERS))
        runtime.wait_log("processed, 1 items")
        (said,) = (line for line in lines(runtime.log) if line["message"] == "it went wrong")
    assert "ValueError: invalid literal" in said["exc_info"]
    assert said["envelope_id"] == "e1"


def test_a_handlers_own_format_finds_it_too() -> None:
    """Its configuration is untouched: the fields stand in the record."""
    with running("speaks.own") as runtime, runtime.connect() as client:
        client.call(envelope(1))
        runtime.wait_log("OWN at work of e1 at a")


def test_a_batch_names_all_that_it_is_about() -> None:
    environ = {"ASYA_LOG_FORMAT": "json", "ASYA_BATCH_SIZE": "2"}
    with running("speaks.batch", environ=environ) as runtime, runtime.connect() as client:
        client.hello()
        client.send({"asya": {"batch": 2}})
        client.send(envelope(1, headers=HEADERS))
        client.send({**envelope(2), "id": "e2"})
        client.receive()
        client.receive()
        runtime.wait_log("at work")
        (said,) = (line for line in lines(runtime.log) if line["message"] == "at work")
    assert (said["envelope_id"], said["trace_id"]) == ("e1,e2", TRACE)


def test_a_thread_of_the_handler_breaks_nothing() -> None:
    with running("speaks.beside", environ={"ASYA_LOG_FORMAT": "json"}) as runtime, runtime.connect() as client:
        assert client.call(envelope(1)) is not None
        runtime.wait_log("in a thread of its own")
        lines(runtime.log)


def test_without_the_setting_lines_are_text_as_ever() -> None:
    with running("speaks.plain") as runtime, runtime.connect() as client:
        client.call(envelope(1))
        runtime.wait_log(" - mine - INFO - at work\n")


@pytest.mark.parametrize("headers", [None, 3, {"traceparent": 7}, {"traceparent": "x", "x-asya-attempt": "y"}])
def test_headers_that_are_none_break_no_line(headers: object) -> None:
    environ = {"ASYA_LOG_FORMAT": "json", "ASYA_ENABLE_VALIDATION": "false"}
    with running("speaks.plain", environ=environ) as runtime, runtime.connect() as client:
        assert client.call(envelope(1, headers=headers)) is not None
        runtime.wait_log("at work")
        lines(runtime.log)
