"""The runtime as a real process, held to the golden vectors over its socket, in both protocols."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.runtime_process import RuntimeProcess, envelope, running
from tests.support.vectors import body_of, check_items, load, named

ENVELOPES = load("envelope.json")["cases"]
EXCHANGES = load("runtime.json")["cases"]
VERBS = load("verbs.json")["cases"]


class Runtimes:
    """Runtimes by their settings, each started when first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[tuple[str, str, bool], RuntimeProcess] = {}

    def get(self, handler: str, mode: str = "payload", *, validate: bool = True) -> RuntimeProcess:
        key = (handler, mode, validate)
        if key not in self._running:
            environ = {"ASYA_HANDLER_MODE": mode, "ASYA_ENABLE_VALIDATION": str(validate).lower()}
            self._running[key] = self._stack.enter_context(running(handler, environ=environ))
        return self._running[key]


@pytest.fixture(scope="module")
def runtimes() -> Iterator[Runtimes]:
    with ExitStack() as stack:
        yield Runtimes(stack)


def exchange(runtimes: Runtimes, case: dict[str, Any]) -> RuntimeProcess:
    return runtimes.get(f"answers.{case['handler']}", case["mode"], validate=case["validate"])


@pytest.mark.parametrize("case", named(EXCHANGES))
def test_a_request_gets_the_answer_of_its_vector(runtimes: Runtimes, case: dict[str, Any]) -> None:
    with exchange(runtimes, case).connect() as client:
        check_items(client.call(case["request"]), case["items"])


@pytest.mark.parametrize("case", named(EXCHANGES))
def test_the_answer_is_the_same_in_our_own_protocol(runtimes: Runtimes, case: dict[str, Any]) -> None:
    with exchange(runtimes, case).connect() as client:
        client.hello()
        more, final = client.call_2(case["request"], timeout_s=30)
        assert final is not None
        check_items([item for frame in more for item in frame] + final, case["items"])


@pytest.mark.parametrize("case", named(VERBS))
def test_a_verb_does_what_its_vector_says(runtimes: Runtimes, case: dict[str, Any]) -> None:
    with exchange(runtimes, case).connect() as client:
        client.hello(pieces=True)
        pieces, items = client.stream(case["request"])
    check_items(items, case["items"])
    assert pieces == list(enumerate(case["pieces"]))


@pytest.mark.parametrize("case", named(VERBS))
def test_a_client_of_asya_0_1_1_gets_the_outputs_of_a_stream_without_its_pieces(
    runtimes: Runtimes, case: dict[str, Any]
) -> None:
    with exchange(runtimes, case).connect() as client:
        items = client.call(case["request"])
    failed = [item for item in case["items"] if "error" in item]
    check_items(items, failed or case["items"])


@pytest.mark.parametrize("case", named(ENVELOPES))
def test_the_runtime_judges_bytes_as_the_protocol_does(runtimes: Runtimes, case: dict[str, Any]) -> None:
    accepts = "envelope" in case or case.get("runtime") == "accepts"
    runtime = runtimes.get("answers.reroute", "envelope")
    with runtime.connect() as client:
        (item,) = client.call(body_of(case)) or [None]
    assert item is not None
    # The handler does not understand these payloads: what it is asked, the runtime has accepted.
    assert item["error"] == ("processing_error" if accepts else "msg_parsing_error")
    if not accepts and case["error"]["class"] == "InvalidEnvelope":
        assert item["details"]["message"] == case["error"]["text"]
        assert item["details"]["type"] == "ValueError"


def test_the_hello_names_pid_handler_and_mode(runtimes: Runtimes) -> None:
    runtime = runtimes.get("answers.act")
    with runtime.connect() as client:
        assert client.hello() == {
            "asya": {
                "protocol": 2,
                "pid": runtime.process.pid,
                "handler": "answers.act",
                "mode": "payload",
                "concurrency": 1,
                "cancel": True,
            }
        }


def test_one_connection_carries_many_requests_in_either_protocol(runtimes: Runtimes) -> None:
    runtime = runtimes.get("answers.act")
    with runtime.connect() as old, runtime.connect() as new:
        new.hello()
        for number in range(50):
            request = envelope({"do": "echo", "with": number})
            assert [item["payload"] for item in old.call(request) or []] == [number]
            more, final = new.call_2(request)
            assert (more, [item["payload"] for item in final or []]) == ([], [number])


def test_a_failed_request_leaves_its_connection_usable(runtimes: Runtimes) -> None:
    with runtimes.get("answers.act").connect() as client:
        client.hello()
        assert client.call_2(b"")[1] is not None
        assert client.call_2(envelope({"do": "exit", "with": 0}))[1] is not None
        assert client.call_2(envelope({"do": "echo", "with": 1}))[1] == [
            {"payload": 1, "route": {"actors": ["a"], "current": 1}}
        ]


def test_a_client_that_only_finished_writing_gets_its_answer(runtimes: Runtimes) -> None:
    with runtimes.get("answers.act").connect() as client:
        client.send(envelope({"do": "echo", "with": 1}))
        client.finish_writing()
        frame = client.receive()
        assert frame is not None
        assert client.receive() is None


@pytest.mark.parametrize("size_bytes", [70_000, 10_000_000])
def test_a_large_payload_comes_back_whole(runtimes: Runtimes, size_bytes: int) -> None:
    text = "é" * (size_bytes // 2)
    with runtimes.get("answers.act").connect() as client:
        (item,) = client.call(envelope({"do": "echo", "with": text})) or [{}]
    assert item["payload"] == text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"\x00\x00", "frame header cut: 2 of 4 bytes", id="cut in its header"),
        pytest.param(b"\x00\x00\x00\x05{", "frame cut: 1 of 5 bytes", id="cut in its body"),
        pytest.param(
            b"\x20\x00\x00\x01", "frame of 536870913 bytes is over the limit of 536870912 bytes", id="too large"
        ),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", "frame of 1195725856 bytes is over", id="no frame at all"),
    ],
)
def test_a_broken_frame_ends_its_own_connection_only(runtimes: Runtimes, data: bytes, reason: str) -> None:
    runtime = runtimes.get("answers.act")
    with runtime.connect() as other, runtime.connect() as client:
        client.send_bytes(data)
        client.finish_writing()
        frame = client.receive()
        assert frame is not None
        assert b'"connection_error"' in frame
        assert reason.encode() in frame
        assert client.receive() is None
        assert [item["payload"] for item in other.call(envelope({"do": "echo", "with": 1})) or []] == [1]
    runtime.wait_log(f"connection closed: {reason}")


@pytest.mark.parametrize("head", [{"asya": {"timeout_s": 0}}, {"asya": {"timeout_s": True}}, {"asya": 1}, [], {}])
def test_a_head_that_is_none_ends_its_connection_with_the_reason(runtimes: Runtimes, head: object) -> None:
    with runtimes.get("answers.act").connect() as client:
        client.hello()
        client.send(head)
        frame = client.receive()
        assert frame is not None
        assert b'"connection_error"' in frame
        assert client.receive() is None


def test_a_connect_test_makes_no_noise() -> None:
    with running("answers.act") as runtime:
        runtime.wait_log("ready on")
        before = runtime.log
        for _ in range(5):
            runtime.connect().close()
        with runtime.connect() as client:
            assert client.call(envelope({"do": "echo", "with": 1})) is not None
        runtime.wait_log("envelope id=e1 processed, 1 items")
        assert [line for line in runtime.log[len(before) :].splitlines() if "envelope id=" not in line] == []
