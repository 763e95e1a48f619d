"""The runtime with several calls at once, with batches, and with envelopes that are cancelled."""

import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.installs.pythons import require_python
from lab.waits import wait_until
from tests.support.runtime_process import POLL_S, WAIT_S, Client, RuntimeProcess, envelope, running

Items = list[list[dict[str, Any]]]


@pytest.fixture(params=["3.7", "3.11", "3.13"])
def python(request: pytest.FixtureRequest) -> str:
    return require_python(request.param)


def call_at_once(runtime: RuntimeProcess, bodies: Sequence[object]) -> list[Any]:
    """Send each on a connection of its own before any answer is read."""
    clients = [runtime.connect() for _ in bodies]
    for client, body in zip(clients, bodies, strict=True):
        client.hello()
        client.send({"asya": {"timeout_s": 60}})
        client.send(body)
    answers = [final_of(client) for client in clients]
    for client in clients:
        client.close()
    return answers


def final_of(client: Client) -> Any:
    """The next final array; none when the connection ended."""
    while True:
        frame = client.receive()
        document = None if frame is None else json.loads(frame)
        if not isinstance(document, dict):
            return document


def send_batch(client: Client, bodies: Sequence[object]) -> Items:
    """Send a batch and read one final array for each."""
    client.send({"asya": {"timeout_s": 60, "batch": len(bodies)}})
    for body in bodies:
        client.send(body)
    return [final_of(client) for _ in bodies]


def codes(final: Any) -> list[Any]:
    """Error codes of an answer's items, or their payloads."""
    return [item.get("error") or item["payload"] for item in final or []]


def wait_for(path: Path, *, there: bool = True) -> None:
    wait_until(lambda: path.exists() is there, WAIT_S, str(path), poll_s=POLL_S)


# Several calls at once


def test_as_many_calls_run_at_once_as_the_setting_says(python: str) -> None:
    with running("many.act", python=python, environ={"ASYA_CONCURRENCY": "4"}) as runtime:
        answers = call_at_once(runtime, [envelope({"do": "meet", "with": 4})] * 4)
        assert len({codes(final)[0] for final in answers}) == 4
        assert runtime.stop() == 0


def test_coroutines_share_one_loop(python: str) -> None:
    with running("many.act_async", python=python, environ={"ASYA_CONCURRENCY": "3"}) as runtime:
        answers = call_at_once(runtime, [envelope({"do": "meet", "with": 3})] * 3)
        assert [codes(final) for final in answers] == [[3]] * 3
        assert runtime.stop() == 0


def test_what_runs_beside_a_late_handler_is_answered_without_blame(tmp_path: Path) -> None:
    with running("many.act", environ={"ASYA_CONCURRENCY": "2"}) as runtime:
        with runtime.connect() as innocent, runtime.connect() as late:
            for client in (innocent, late):
                client.hello()
            innocent.send({"asya": {"timeout_s": 60}})
            innocent.send(envelope({"do": "wait", "with": str(tmp_path / "x")}))
            wait_for(tmp_path / "x.started")
            late.send({"asya": {"timeout_s": 0.3}})
            late.send(envelope({"do": "sleep", "with": 60}))
            assert codes(final_of(late)) == ["timeout_error"]
            assert codes(final_of(innocent)) == ["interrupted"]
        assert runtime.wait_exit() == 124


def test_a_stop_lets_all_calls_finish(tmp_path: Path) -> None:
    gates = [tmp_path / name for name in ("a", "b", "c")]
    with running("trouble.act", environ={"ASYA_CONCURRENCY": "3"}) as runtime:
        answers: list[Any] = []
        bodies = [envelope({"do": "wait_for_file", "with": str(gate)}) for gate in gates]
        caller = threading.Thread(target=lambda: answers.extend(call_at_once(runtime, bodies)))
        caller.start()
        for gate in gates:
            wait_for(Path(f"{gate}.started"))
        runtime.process.terminate()
        wait_for(runtime.socket_path, there=False)
        for gate in gates:
            gate.touch()
        assert runtime.wait_exit() == 0
        caller.join()
    assert [codes(final) for final in answers] == [["released"]] * 3


@pytest.mark.parametrize("value", ["0", "-1", "two", "10001"])
@pytest.mark.parametrize("variable", ["ASYA_CONCURRENCY", "ASYA_BATCH_SIZE"])
def test_a_number_that_cannot_be_used_stops_the_start(variable: str, value: str) -> None:
    with running("many.act", environ={variable: value}, ready=False) as runtime:
        assert runtime.wait_exit() == 1
        assert f"{variable}='{value}' is not a number from 1 to 1000" in runtime.log


# Batches


def test_a_batch_is_one_call_and_one_answer_each(python: str) -> None:
    with running("many.batch", python=python, environ={"ASYA_BATCH_SIZE": "4"}) as runtime, runtime.connect() as client:
        assert client.hello()["asya"]["batch"] == 4
        finals = send_batch(client, [envelope(number) for number in range(3)])
        assert [final[0]["payload"] for final in finals] == [{"got": number, "of": 3} for number in range(3)]
        assert [final[0]["route"]["current"] for final in finals] == [1, 1, 1]


def test_one_items_failure_is_its_own() -> None:
    with running("many.batch", environ={"ASYA_BATCH_SIZE": "8"}) as runtime, runtime.connect() as client:
        client.hello()
        bodies = [envelope("a"), envelope("fail"), b"{", envelope("none"), envelope("two"), envelope("set")]
        finals = send_batch(client, bodies)
        assert codes(finals[0]) == [{"got": "a", "of": 5}]
        assert [codes(final) for final in finals[1:]] == [
            ["processing_error"], ["msg_parsing_error"], [], ["one", "two"], ["processing_error"],
        ]  # fmt: skip
        assert finals[1][0]["details"]["message"] == "this one only"
        assert finals[1][0]["details"]["mro"] == ["ValueError", "Exception"]
        assert "not JSON" in finals[5][0]["details"]["message"]


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("raise", "all of them"),
        ("short", "batch handler returned 1 results for 2 payloads"),
        ("dict", "gets a list of 2 and returns a list of as many results, not dict"),
        ("none", "gets a list of 2 and returns a list of as many results, not NoneType"),
    ],
)
@pytest.mark.parametrize("handler", ["many.batch", "many.batch_async"])
def test_an_answer_that_is_no_list_of_that_length_fails_all(handler: str, action: str, text: str) -> None:
    with running(handler, environ={"ASYA_BATCH_SIZE": "8"}) as runtime, runtime.connect() as client:
        client.hello()
        finals = send_batch(client, [envelope({"all": action}), envelope(1)])
        assert [codes(final) for final in finals] == [["processing_error"]] * 2
        assert all(text in final[0]["details"]["message"] for final in finals)


def test_a_client_that_knows_no_batches_gets_batches_of_one() -> None:
    with running("many.batch", environ={"ASYA_BATCH_SIZE": "8"}) as runtime, runtime.connect() as client:
        assert codes(client.call(envelope("a"))) == [{"got": "a", "of": 1}]


def test_a_batch_over_the_announced_size_is_refused() -> None:
    with running("many.batch", environ={"ASYA_BATCH_SIZE": "2"}) as runtime, runtime.connect() as client:
        client.hello()
        client.send({"asya": {"batch": 3}})
        assert codes(final_of(client)) == ["connection_error"]


def test_a_late_batch_is_answered_for_each() -> None:
    with running("many.batch_that_sleeps", environ={"ASYA_BATCH_SIZE": "2"}) as runtime, runtime.connect() as client:
        client.hello()
        client.send({"asya": {"timeout_s": 0.2, "batch": 2}})
        for number in range(2):
            client.send(envelope(number))
        assert [codes(final_of(client)) for _ in range(2)] == [["timeout_error"]] * 2
        assert runtime.wait_exit() == 124


# Cancels


def cancel_while_running(
    handler: str, do: str, path: Path, python: str = sys.executable, **environ: str
) -> tuple[Any, str]:
    """Cancel a call once its handler has begun; returns its answer and the runtime's log.

    Unless it is stubborn, the handler cleans up, and the runtime serves on.
    """
    with running(handler, python=python, environ=environ) as runtime, runtime.connect() as client:
        client.hello()
        client.send({"asya": {"timeout_s": 60}})
        client.send(envelope({"do": do, "with": str(path)}))
        wait_for(Path(f"{path}.started"))
        client.send({"asya": {"cancel": True}})
        final = final_of(client)
        if do != "stubborn":  # on the same connection
            assert codes(client.call_2(envelope({"do": "cleaned", "with": str(path)}), 10)[1]) == [True]
            assert runtime.stop() == 0
        else:
            assert runtime.wait_exit() == 124
        return final, runtime.log


@pytest.mark.parametrize("do", ["wait", "spin", "stream"])
def test_a_cancelled_handler_is_interrupted_and_cleans_up(do: str, tmp_path: Path, python: str) -> None:
    final, log = cancel_while_running("many.act", do, tmp_path / "x", python)
    assert codes(final) == ["cancelled"]
    assert "envelope id=e1 cancelled" in log


def test_a_cancelled_coroutine_is_interrupted_and_cleans_up(tmp_path: Path, python: str) -> None:
    final, _ = cancel_while_running("many.act_async", "wait", tmp_path / "x", python)
    assert codes(final) == ["cancelled"]


def test_a_cancelled_coroutine_among_several_is_interrupted(tmp_path: Path) -> None:
    final, _ = cancel_while_running("many.act_async", "wait", tmp_path / "x", ASYA_CONCURRENCY="2")
    assert codes(final) == ["cancelled"]


def test_a_handler_that_ignores_its_cancel_is_ended_with_the_process(tmp_path: Path) -> None:
    final, log = cancel_while_running("many.act", "stubborn", tmp_path / "x")
    assert codes(final) == ["interrupted"]
    assert "handler did not end within 0.5 s of its cancel" in log


def test_a_cancelled_thread_ends_the_process_and_its_neighbour_is_not_blamed(tmp_path: Path) -> None:
    with running("many.act", environ={"ASYA_CONCURRENCY": "2"}) as runtime:
        with runtime.connect() as innocent, runtime.connect() as cancelled:
            for client, name in ((innocent, "a"), (cancelled, "b")):
                client.hello()
                client.send({"asya": {"timeout_s": 60}})
                client.send(envelope({"do": "wait", "with": str(tmp_path / name)}))
                wait_for(tmp_path / f"{name}.started")
            cancelled.send({"asya": {"cancel": True}})
            assert codes(final_of(cancelled)) == ["interrupted"]
            assert codes(final_of(innocent)) == ["interrupted"]
        assert runtime.wait_exit() == 124


def test_a_cancel_that_comes_too_late_or_for_nothing_changes_nothing() -> None:
    with running("many.act") as runtime, runtime.connect() as client:
        client.hello()
        client.send({"asya": {"cancel": True}})
        assert codes(client.call_2(envelope({"do": "echo", "with": 1}), 10)[1]) == [1]
        client.send({"asya": {"cancel": True}})
        assert codes(client.call_2(envelope({"do": "echo", "with": 2}), 10)[1]) == [2]


def test_an_envelope_that_waits_for_its_turn_can_be_cancelled(tmp_path: Path) -> None:
    with running("many.act") as runtime, runtime.connect() as first, runtime.connect() as second:
        for client in (first, second):
            client.hello()
            client.send({"asya": {"timeout_s": 60}})
        first.send(envelope({"do": "wait", "with": str(tmp_path / "a")}))
        wait_for(tmp_path / "a.started")
        second.send(envelope({"do": "wait", "with": str(tmp_path / "b")}))
        second.send({"asya": {"cancel": True}})
        time.sleep(2.0)  # nothing tells that the runtime has read it; the answer comes with its turn
        first.send({"asya": {"cancel": True}})
        assert codes(final_of(first)) == codes(final_of(second)) == ["cancelled"]
        assert not (tmp_path / "b.started").exists()
