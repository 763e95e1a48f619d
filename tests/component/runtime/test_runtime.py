"""The runtime as a real process: handlers that misbehave, settings it refuses, how it starts and how it stops."""

import json
import os
import signal
import stat
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.waits import wait_until
from tests.support.runtime_process import POLL_S, WAIT_S, Client, RuntimeProcess, envelope, running, socket_folder

ECHO = envelope({"do": "echo", "with": 1})
ECHOED = [{"payload": 1, "route": {"actors": ["a"], "current": 1}}]


# Handlers that misbehave


@pytest.mark.parametrize(("action", "argument"), [("exit_process", 3), ("segfault", None)])
def test_a_handler_that_ends_the_process_closes_the_connection_without_an_answer(action: str, argument: object) -> None:
    with running("trouble.act") as runtime, runtime.connect() as client:
        client.hello()
        assert client.call_2(envelope({"do": action, "with": argument})) == ([], None)
        assert runtime.wait_exit() == (3 if action == "exit_process" else -signal.SIGSEGV)


def test_a_restart_after_a_crash_clears_what_the_crash_left() -> None:
    with running("trouble.act") as crashed, crashed.connect() as client:
        assert client.call(envelope({"do": "exit_process", "with": 1})) is None
        crashed.wait_exit()
        assert crashed.ready_path.exists()
        successor = RuntimeProcess("answers.act", folder=crashed.folder)
        try:
            pid = str(successor.process.pid)
            wait_until(lambda: pid in _text(successor.ready_path), WAIT_S, "it is ready", lambda: successor.log)
            with successor.connect() as other:
                assert other.call(ECHO) == ECHOED
        finally:
            successor.stop()


def test_what_a_crash_left_is_gone_before_the_handler_is_loaded(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    (tmp_path / "slow_import.py").write_text(
        f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.005)\nprocess = str\n"
    )
    with socket_folder() as folder:
        (folder / "runtime-ready").write_text("ready")
        (folder / "asya-runtime.sock").write_text("stale")
        runtime = RuntimeProcess("slow_import.process", folder=folder, environ={"PYTHONPATH": str(tmp_path)})
        try:
            runtime.wait_log("handler=slow_import.process mode=payload validation=True")
            assert names_in(folder) == ["stderr"]
            gate.touch()
            runtime.wait_ready()
        finally:
            runtime.stop()


def test_a_handler_that_blocks_for_ever_is_answered_for_with_where_it_stuck() -> None:
    with running("trouble.act") as runtime, runtime.connect() as client:
        client.hello()
        start = time.monotonic()
        _, final = client.call_2(envelope({"do": "block"}), timeout_s=0.5)
        assert time.monotonic() - start >= 0.5
        assert final is not None
        details = final[0]["details"]
        assert final[0]["error"] == "timeout_error"
        assert details["message"] == "handler ran past its timeout of 0.5 s"
        assert (details["type"], details["mro"]) == ("TimeoutError", ["TimeoutError", "OSError", "Exception"])
        assert "in _block" in details["traceback"]
        assert runtime.wait_exit() == 124
        assert names_in(runtime.folder) == ["stderr"]
        assert "CRITICAL - handler ran past its timeout of 0.5 s" in runtime.log


def test_a_handler_that_lets_no_thread_run_is_ended_all_the_same() -> None:
    with running("trouble.act") as runtime, runtime.connect() as client:
        client.hello()
        assert client.call_2(envelope({"do": "hog"}), timeout_s=0.3) == ([], None)
        assert runtime.wait_exit() == 1
        assert "in _hog" in runtime.log


def test_a_handler_within_its_timeout_is_left_alone_and_so_is_an_idle_runtime() -> None:
    with running("trouble.act") as runtime, runtime.connect() as client:
        client.hello()
        for _ in range(3):
            more, final = client.call_2(envelope({"do": "sleep", "with": 0.1}), timeout_s=5.0)
            assert (more, [item["payload"] for item in final or []]) == ([], ["slept"])
        with pytest.raises(subprocess.TimeoutExpired):
            runtime.process.wait(5.5)
        assert client.call_2(ECHO) == ([], ECHOED)


@pytest.mark.parametrize("output", ["unread", "thrown away"])
def test_a_handler_that_prints_gigabytes_does_not_disturb_the_socket(output: str) -> None:
    # Unread, a pipe fills after 64 KiB and the handler blocks: that is a handler past its timeout, not a broken protocol.
    unread = output == "unread"
    stdout = subprocess.PIPE if unread else subprocess.DEVNULL
    with running("trouble.act", stdout=stdout) as runtime, runtime.connect() as client:
        client.hello()
        _, final = client.call_2(envelope({"do": "print", "with": 2 << 30}), timeout_s=1 if unread else 60)
        assert final is not None
        if unread:
            assert final[0]["error"] == "timeout_error"
            assert runtime.wait_exit() == 124
        else:
            assert final[0]["payload"] == "printed"
            assert client.call_2(ECHO) == ([], ECHOED)


def test_a_process_that_the_handler_left_behind_does_not_hold_the_connection_open(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running("trouble.act") as runtime, runtime.connect() as client:
        try:
            (item,) = client.call(envelope({"do": "fork", "with": str(gate)})) or [{}]
            os.kill(item["payload"], 0)  # it is there
            runtime.process.kill()
            runtime.wait_exit()
            assert client.receive() is None
        finally:
            gate.touch()


def test_a_forked_child_that_comes_back_answers_nobody() -> None:
    with running("trouble.act") as runtime, runtime.connect() as client:
        assert [item["payload"] for item in client.call(envelope({"do": "fork_and_return"})) or []] == ["parent"]
        assert client.call(ECHO) == ECHOED
        assert runtime.stop() == 0


def test_a_default_timeout_of_sockets_set_by_the_user_is_not_ours() -> None:
    with running("bad_timeout_default.process") as runtime, runtime.connect() as client:
        time.sleep(0.2)  # longer than the 0.05 s that the module sets
        assert client.call(envelope(1)) == ECHOED


# Several clients


def test_a_hello_is_answered_while_a_handler_is_busy_and_calls_wait_for_their_turn(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running("trouble.act") as runtime, runtime.connect() as busy, runtime.connect() as waiting:
        busy.send(envelope({"do": "wait_for_file", "with": str(gate)}))
        _wait_for(tmp_path / "gate.started")
        assert waiting.hello()["asya"]["protocol"] == 2
        waiting.send({"asya": {"timeout_s": 2.0}})  # the clock starts with the call, not with the wait
        waiting.send(ECHO)
        time.sleep(2.5)
        gate.touch()
        assert b'"released"' in (busy.receive() or b"")
        assert json.loads(waiting.receive() or b"null") == ECHOED


def test_an_idle_or_half_said_client_blocks_nobody() -> None:
    with running("answers.act") as runtime, runtime.connect() as idle, runtime.connect() as slow:
        slow.send_bytes(b"\x00\x00\x10\x00{")
        idle.hello()
        with runtime.connect() as client:
            assert client.call(ECHO) == ECHOED


def test_an_envelope_whose_client_left_before_its_turn_is_not_started(tmp_path: Path) -> None:
    gate, never = tmp_path / "gate", tmp_path / "never"
    with running("trouble.act") as runtime, runtime.connect() as busy:
        busy.send(envelope({"do": "wait_for_file", "with": str(gate)}))
        _wait_for(tmp_path / "gate.started")
        with runtime.connect() as leaving:
            leaving.hello()
            leaving.send({"asya": {}})
            leaving.send(envelope({"do": "wait_for_file", "with": str(never)}))
        gate.touch()
        assert busy.receive() is not None
        runtime.wait_log("not delivered, connection closed before its envelope was started")
        assert busy.call(ECHO) == ECHOED
        assert not (tmp_path / "never.started").exists()


# Errors


@pytest.mark.parametrize(
    ("do", "ending"),
    [
        ("array", "Object of type _Array is not JSON serializable (at pages[1].vector: _Array, use its tolist())"),
        ("nested_set", "Object of type set is not JSON serializable (at tags: set, make it text or a number)"),
        ("tuple_key", "(at the result: a key of type tuple, use str(key))"),
        ("nan", "(at score: nan, use None)"),
        ("ring", "Circular reference detected"),
    ],
)
def test_a_result_that_can_never_be_json_names_its_place_and_is_permanent(do: str, ending: str) -> None:
    with running("answers.act") as runtime, runtime.connect() as client:
        (item,) = client.call(envelope({"do": do})) or []
        assert item["details"]["message"].startswith("handler result is not JSON: ")
        assert "asya_runtime.py" not in item["details"]["traceback"], "the fault is in what the handler returned"
        assert item["details"]["message"].endswith(ending)
        assert item["details"]["permanent"] is True
        (item,) = client.call(envelope({"do": "raise", "with": "x"})) or []
        assert "permanent" not in item["details"]


def test_a_traceback_begins_in_the_users_code() -> None:
    with running("answers.act") as runtime, runtime.connect() as client:
        (item,) = client.call(envelope({"do": "raise", "with": "x"})) or []
        assert "answers.py" in item["details"]["traceback"].splitlines()[1]


def test_a_group_of_exceptions_tells_the_classes_within_it() -> None:
    """So that rules for retries see what a TaskGroup wraps."""
    with running("answers.act") as runtime, runtime.connect() as client:
        (item,) = client.call(envelope({"do": "group"})) or []
        assert item["details"]["type"] == "ExceptionGroup"
        assert item["details"]["message"].endswith("; ModelError: x"), "what it is made of, not only how many"
        assert item["details"]["mro"] == [
            *("ExceptionGroup", "BaseExceptionGroup", "Exception", "ValueError", "ModelError", "LookupError")
        ]


# Streams


@pytest.mark.parametrize(
    ("do", "more"), [("tuple", [[]]), ("generator", [[]]), ("async_generator", [[]]), ("none", [])]
)
def test_a_list_or_stream_without_items_is_told_from_no_result(do: str, more: list[object]) -> None:
    with running("answers.act") as runtime, runtime.connect() as client:
        client.hello()
        assert client.call_2(envelope({"do": do, "with": 0 if do != "tuple" else []})) == (more, [])
        assert client.call_2(ECHO) == ([], ECHOED)


def test_items_of_a_generator_leave_before_it_ends_and_none_waits_long(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running("trouble.act") as runtime, runtime.connect() as client:
        client.hello()
        client.send({"asya": {}})
        client.send(envelope({"do": "two_and_one", "with": str(gate)}))
        payloads: list[int] = []
        # The second is held for a moment, then sent although the generator is busy making the third.
        while len(payloads) < 2:
            payloads += [item["payload"] for item in json.loads(client.receive() or b"null")["more"]]
        gate.touch()
        while isinstance(frame := json.loads(client.receive() or b"null"), dict):
            payloads += [item["payload"] for item in frame["more"]]
        assert payloads + [item["payload"] for item in frame] == [0, 1, 2]


def test_a_fast_generator_leaves_in_frames_of_twenty() -> None:
    with running("answers.act") as runtime, runtime.connect() as client:
        client.hello()
        more, final = client.call_2(envelope({"do": "generator", "with": 1000}))
        assert [item["payload"] for frame in [*more, final or []] for item in frame] == list(range(1000))
        assert max(len(frame) for frame in more) == 20


def test_an_error_ends_a_stream_and_nothing_follows_it() -> None:
    with running("answers.act") as runtime, runtime.connect() as client:
        client.hello()
        more, final = client.call_2(envelope({"do": "generator_that_fails", "with": 45}))
        *held, error = final or []
        assert [item["payload"] for frame in [*more, held] for item in frame] == list(range(45))
        assert error["details"]["message"] == "after 45 items"
        assert client.call_2(ECHO) == ([], ECHOED)


def test_a_tuple_that_is_no_verb_is_a_payload() -> None:
    with running("answers.act") as runtime, runtime.connect() as client:
        assert (client.call(envelope({"do": "tuple_of_text", "with": "GOT"})) or [])[0]["payload"][0] == "GOT"


def test_a_generator_that_is_marked_as_a_stream_yields_pieces_and_returns_its_result() -> None:
    with running("answers.act", environ={"ASYA_STREAM": "true"}) as runtime, runtime.connect() as client:
        client.hello(pieces=True)
        pieces, items = client.stream(envelope({"do": "tokens", "with": 100}))
        assert pieces == [(number, {"text": f"t{number} "}) for number in range(100)]
        assert [item["payload"] for item in items or []] == [{"text": "".join(f"t{number} " for number in range(100))}]
        (error,) = client.stream(envelope({"do": "async_tokens", "with": 1}))[1] or []
        assert 'yield "FLY", piece without it' in error["details"]["message"]


@pytest.mark.parametrize(("do", "given"), [("echo", [1, {"a": 2}]), ("tuple", [1, 2]), ("echo", [])])
def test_by_the_rules_of_asya_1_a_returned_list_is_one_payload(do: str, given: object) -> None:
    with running("answers.act", environ={"ASYA_COMPAT": "asya-1"}) as runtime, runtime.connect() as client:
        client.hello()
        more, final = client.call_2(envelope({"do": do, "with": given}))
        assert (more, [item["payload"] for item in final or []]) == ([], [given])
        more, final = client.call_2(envelope({"do": "generator", "with": 2}))
        assert [item["payload"] for frame in [*more, final or []] for item in frame] == [0, 1], (
            "what it yields fans out"
        )


def test_an_asynchronous_generator_streams_by_its_verb() -> None:
    with running("answers.act") as runtime, runtime.connect() as client:
        client.hello(pieces=True)
        pieces, items = client.stream(envelope({"do": "async_tokens", "with": 50}))
        assert pieces == [(number, {"text": f"t{number} "}) for number in range(50)]
        assert [item["payload"] for item in items or []] == [{"tokens": 50}]


def test_a_piece_leaves_while_its_handler_works_on(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running("trouble.act") as runtime, runtime.connect() as client:
        client.hello(pieces=True)
        client.send({"asya": {}})
        client.send(envelope({"do": "piece_and_wait", "with": str(gate)}))
        assert json.loads(client.receive() or b"null") == {"pieces": [{"text": "first"}], "first": 0}
        gate.touch()
        assert json.loads(client.receive() or b"null")["more"][0]["payload"] == "end"


def test_a_client_that_does_not_read_delays_no_handler_and_loses_the_oldest_pieces() -> None:
    with running("trouble.act") as runtime, runtime.connect() as client:
        client.hello(pieces=True)
        client.send({"asya": {}})
        client.send(envelope({"do": "many_pieces", "with": 5000}))
        runtime.wait_log("all pieces yielded")  # nothing has been read, and it is through
        pieces: list[int] = []
        items: list[Any] = []
        while isinstance(frame := json.loads(client.receive() or b"null"), dict):
            if "more" in frame:
                items += frame["more"]
                continue
            assert [piece["n"] for piece in frame["pieces"]] == list(
                range(frame["first"], frame["first"] + len(frame["pieces"]))
            )
            pieces += [piece["n"] for piece in frame["pieces"]]
        assert [item["payload"] for item in items + frame] == ["end"]
        assert pieces == sorted(set(pieces))
        assert pieces[-1000:] == list(range(4000, 5000)), "the newest wait for their reader"
        assert len(pieces) < 5000


def test_a_piece_that_is_too_large_fails_its_envelope_and_says_what_to_do() -> None:
    with running("answers.act") as runtime, runtime.connect() as client:
        client.hello(pieces=True)
        pieces, items = client.stream(envelope({"do": "script", "with": [["FLY", "a"], ["FLY", "x" * 65536]]}))
        assert pieces == [(0, "a")]
        assert (items or [])[0]["details"]["message"] == (
            "a piece of 65538 bytes is over the limit of 65536: yield less at a time"
        )


def test_in_envelope_mode_only_pieces_have_a_verb() -> None:
    with running("answers.reroute", environ={"ASYA_HANDLER_MODE": "envelope"}) as runtime, runtime.connect() as client:
        client.hello(pieces=True)
        verbs = [["FLY", "a"], ["GET", ".id"]]
        (error,) = client.stream(envelope({"do": "yields", "with": verbs}))[1] or []
        assert "has its whole envelope" in error["details"]["message"]


def test_in_the_compatible_exchange_a_generator_that_fails_sends_only_its_error() -> None:
    with running("answers.act") as runtime, runtime.connect() as client:
        items = client.call(envelope({"do": "generator_that_fails", "with": 45}))
        assert [item["error"] for item in items or []] == ["processing_error"]


def test_a_generator_whose_client_left_is_closed() -> None:
    with running("answers.act") as runtime:
        with runtime.connect() as client:
            client.hello()
            client.send({"asya": {}})
            client.send(envelope({"do": "generator", "with": 10**9}))
            assert client.receive() is not None
        runtime.wait_log("envelope id=e1 not delivered")
        with runtime.connect() as client:
            assert client.call(ECHO) == ECHOED


def test_a_slow_reader_is_not_held_against_the_handler() -> None:
    with running("answers.act") as runtime, runtime.connect() as client:
        client.hello()
        client.send({"asya": {"timeout_s": 3.0}})  # many times what making the items takes
        client.send(envelope({"do": "generator", "with": 20_000}))
        with pytest.raises(subprocess.TimeoutExpired):
            runtime.process.wait(4.0)
        count = 0
        while isinstance(frame := json.loads(client.receive() or b"null"), dict):
            count += len(frame["more"])
        assert count + len(frame) == 20_000


# Handlers of every form


@pytest.mark.parametrize(
    "handler",
    [
        "classes.Plain.process",
        "classes.Counter.process_async",
        "classes.decorated_async",
        "classes.callable_object",
        "classes.partial",
        "json.dumps",
    ],
)
def test_a_handler_may_have_any_callable_form(handler: str) -> None:
    with running(handler) as runtime, runtime.connect() as client:
        items = client.call(envelope({"n": 1}))
        assert [set(item) for item in items or []] == [{"payload", "route"}]


def test_a_constructor_with_star_arguments_is_called_with_none() -> None:
    with running("classes.AnyArguments.process") as runtime, runtime.connect() as client:
        assert [item["payload"] for item in client.call(envelope(1)) or []] == [1, []]


# Refusals to start


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"ASYA_HANDLER": ""}, "ASYA_HANDLER is not set; set it to module.function or module.Class.method"),
        (
            {"ASYA_HANDLER": "../evil"},
            "ASYA_HANDLER='../evil' is not of the form module.function or module.Class.method",
        ),
        ({"ASYA_HANDLER": "function"}, "ASYA_HANDLER='function' is not of the form module.function or"),
        ({"ASYA_HANDLER": "nowhere.process"}, "ASYA_HANDLER='nowhere.process': could not import module nowhere"),
        ({"ASYA_HANDLER": "answers.nothing"}, "ASYA_HANDLER='answers.nothing': answers has no attribute nothing"),
        ({"ASYA_HANDLER": "anwsers.process"}, "could not import module anwsers; did you mean 'answers'?"),
        ({"ASYA_HANDLER": "classes.Plian.process"}, "classes has no attribute Plian; did you mean 'Plain'?"),
        ({"ASYA_HANDLER": "classes.Plian.a.b"}, "neither a function nor Class.method in it; did you mean 'Plain'?"),
        ({"ASYA_HANDLER": "classes.NOT_CALLABLE"}, "NOT_CALLABLE is not callable but an object of type int"),
        ({"ASYA_HANDLER": "classes.NOT_CALLABLE.x"}, "NOT_CALLABLE is not a class but an object of type int"),
        ({"ASYA_HANDLER": "classes.Plain.a.b"}, "Plain.a.b is neither a function nor Class.method in it"),
        ({"ASYA_HANDLER": "classes.Plain.gone"}, "ASYA_HANDLER='classes.Plain.gone': Plain has no attribute gone"),
        (
            {"ASYA_HANDLER": "classes.NeedsArguments.process"},
            "NeedsArguments() is constructed without arguments, but these parameters have no default: model, device",
        ),
        ({"ASYA_HANDLER": "classes.Broken.process"}, "Broken() failed: OSError: weights are missing, at /"),
        (
            {"ASYA_HANDLER": "bad_import.process"},
            "importing bad_import failed: ModuleNotFoundError: No module named 'a_library_that_nobody_has', at /",
        ),
        ({"ASYA_HANDLER": "bad_exit.process"}, "importing bad_exit failed: SystemExit: 0"),
        ({"ASYA_HANDLER_MODE": "batch"}, "Invalid ASYA_HANDLER_MODE=batch: not in ('payload', 'envelope')"),
        ({"ASYA_ENABLE_VALIDATION": "maybe"}, "ASYA_ENABLE_VALIDATION='maybe' is neither true, 1, yes, on nor false"),
        ({"ASYA_CHUNK_SIZE": "4k"}, "ASYA_CHUNK_SIZE='4k' is not a number of bytes from 1 to"),
        ({"ASYA_CHUNK_SIZE": "0"}, "ASYA_CHUNK_SIZE='0' is not a number of bytes from 1 to"),
        ({"ASYA_SOCKET_CHMOD": "rw"}, "ASYA_SOCKET_CHMOD='rw' is not an octal file mode such as 0600"),
        ({"ASYA_SOCKET_DIR": "/proc/asya"}, "ASYA_SOCKET_DIR=/proc/asya cannot be used"),
        ({"ASYA_SOCKET_NAME": "x" * 200}, "AF_UNIX path too long"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_a_line_that_names_it(environ: dict[str, str], line: str) -> None:
    with running("answers.act", ready=False, environ=environ) as runtime:
        assert runtime.wait_exit() == 1
        (found,) = [text for text in runtime.log.splitlines() if "CRITICAL" in text]
        assert line in found
        assert not runtime.ready_path.exists()
        failed_in_user_code = any(word in line for word in ("failed: OSError", "failed: Module", "failed: System"))
        assert ("Traceback" in runtime.log) is failed_in_user_code


def test_a_directory_in_the_way_of_the_socket_is_named_and_left_alone() -> None:
    with socket_folder() as folder:
        (folder / "asya-runtime.sock").mkdir()
        runtime = RuntimeProcess("answers.act", folder=folder)
        assert runtime.wait_exit() == 1
        assert f"{runtime.socket_path} is a directory" in runtime.log
        assert runtime.socket_path.is_dir()


# Settings that work


@pytest.mark.parametrize("text", ["true", "1", "yes", "ON", "", "false", "0", "no", "Off"])
def test_validation_is_switched_by_any_usual_word(text: str) -> None:
    with running("answers.act", environ={"ASYA_ENABLE_VALIDATION": text}) as runtime, runtime.connect() as client:
        (item,) = client.call({"payload": {"do": "none"}}) or [{}]
    off = text.lower() in {"false", "0", "no", "off"}
    assert item["error"] == ("processing_error" if off else "msg_parsing_error")


@pytest.mark.parametrize(("text", "mode"), [("0600", 0o600), ("0o640", 0o640), (None, 0o666)])
def test_the_socket_has_the_mode_that_was_asked_for(text: str | None, mode: int) -> None:
    environ = {} if text is None else {"ASYA_SOCKET_CHMOD": text}
    with running("answers.act", environ=environ) as runtime:
        assert stat.S_IMODE(runtime.socket_path.stat().st_mode) == mode


def test_a_tiny_chunk_size_only_costs_time() -> None:
    with running("answers.act", environ={"ASYA_CHUNK_SIZE": "3"}) as runtime, runtime.connect() as client:
        assert client.call(ECHO) == ECHOED


def test_a_missing_socket_folder_is_made() -> None:
    with socket_folder() as folder:
        runtime = RuntimeProcess("answers.act", folder=folder, environ={"ASYA_SOCKET_DIR": str(folder / "a" / "b")})
        runtime.ready_path = folder / "a" / "b" / "runtime-ready"
        try:
            runtime.wait_ready()
        finally:
            assert runtime.stop() == 0


def test_an_unknown_log_level_is_said_and_replaced() -> None:
    with running("answers.act", environ={"ASYA_LOG_LEVEL": "LOUD"}) as runtime:
        assert "ASYA_LOG_LEVEL='LOUD' is no level of Python's logging; INFO is used" in runtime.log


def test_payloads_results_and_secrets_are_never_logged() -> None:
    environ = {"ASYA_LOG_LEVEL": "DEBUG", "ASYA_S3_SECRET_KEY": "secret-of-the-store"}
    with running("answers.act", environ=environ) as runtime, runtime.connect() as client:
        client.call(envelope({"do": "echo", "with": "secret-in-the-payload"}))
        client.call(envelope({"do": "raise", "with": "secret-in-the-error"}))
        runtime.wait_log("envelope id=e1 failed: ModelError")
        assert "secret" not in runtime.log


# Life cycle


def test_the_ready_file_says_which_protocol_and_process() -> None:
    with running("answers.act") as runtime:
        word, _, document = runtime.ready_path.read_text().partition(" ")
        about = {"protocol": 2, "pid": runtime.process.pid, "concurrency": 1, "cancel": True}
        assert (word, json.loads(document)) == ("ready", about)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_runtime_with_code_0_and_no_file_left(number: signal.Signals) -> None:
    with running("answers.act") as runtime, runtime.connect() as client:
        client.hello()
        runtime.process.send_signal(number)
        assert runtime.wait_exit() == 0
        assert names_in(runtime.folder) == ["stderr"]
        assert client.receive() is None


def test_a_signal_lets_requests_that_were_sent_finish_and_be_answered(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running("trouble.act") as runtime, runtime.connect() as busy, runtime.connect() as queued:
        busy.send(envelope({"do": "wait_for_file", "with": str(gate)}))
        _wait_for(tmp_path / "gate.started")
        queued.hello()
        queued.send({"asya": {}})
        queued.send(ECHO)
        runtime.process.terminate()
        _wait_for_absence(runtime.socket_path)
        assert not runtime.ready_path.exists()
        gate.touch()
        assert b'"released"' in (busy.receive() or b"")
        assert json.loads(queued.receive() or b"null") == ECHOED
        assert runtime.wait_exit() == 0


def test_a_request_sent_after_the_signal_is_refused_before_it_is_taken(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running("trouble.act") as runtime, runtime.connect() as busy, runtime.connect() as idle:
        busy.send(envelope({"do": "wait_for_file", "with": str(gate)}))
        _wait_for(tmp_path / "gate.started")
        idle.hello()
        runtime.process.terminate()
        _wait_for_absence(runtime.socket_path)
        gate.touch()
        assert b'"released"' in (busy.receive() or b"")
        assert idle.receive() is None
        with pytest.raises(BrokenPipeError):
            idle.send(ECHO)
        assert runtime.wait_exit() == 0


def test_a_request_that_meets_a_signal_is_refused_or_answered_and_never_dropped() -> None:
    fates: list[str] = []

    def work(client: Client) -> None:
        while True:
            try:
                client.send_bytes(frames)
            except OSError:
                fates.append("refused")
                return
            fates.append("dropped" if client.receive() is None else "answered")

    frames = b"".join(len(body).to_bytes(4, "big") + body for body in (b'{"asya":{}}', json.dumps(ECHO).encode()))
    with running("answers.act") as runtime, ExitStack() as stack:
        clients = [stack.enter_context(runtime.connect()) for _ in range(4)]
        threads = [threading.Thread(target=work, args=(client,)) for client in clients if client.hello()]
        for thread in threads:
            thread.start()
        runtime.wait_log("envelope id=e1 processed")
        assert runtime.stop() == 0
        for thread in threads:
            thread.join(WAIT_S)
    assert set(fates) == {"refused", "answered"}


def test_an_old_runtime_does_not_remove_its_successors_files() -> None:
    with running("answers.act") as old, socket_folder() as _:
        old.ready_path.unlink()
        new = RuntimeProcess("answers.act", folder=old.folder)
        try:
            new.wait_ready()
            old.stop()
            with new.connect() as client:
                assert client.call(ECHO) == ECHOED
            assert new.ready_path.exists()
        finally:
            new.stop()


def test_many_clients_at_once_each_get_their_own_answers() -> None:
    wrong: list[object] = []

    def work(start: int) -> None:
        with runtime.connect() as client:
            client.hello()
            for number in range(start, start + 100):
                more, final = client.call_2(envelope({"do": "echo", "with": number}), timeout_s=30)
                if more or [item["payload"] for item in final or []] != [number]:
                    wrong.append((number, more, final))

    with running("answers.act") as runtime:
        threads = [threading.Thread(target=work, args=(index * 1000,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert wrong == []


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _wait_for(path: Path) -> None:
    wait_until(path.exists, WAIT_S, f"{path} appears", poll_s=POLL_S)


def _wait_for_absence(path: Path) -> None:
    wait_until(lambda: not path.exists(), WAIT_S, f"{path} goes away", poll_s=POLL_S)


def test_what_a_generator_made_before_it_raised_comes_before_the_error() -> None:
    """Whatever the linger still held back: the sidecar sends it on, or drops it for a retry."""
    with running("answers.act") as runtime, runtime.connect() as client:
        client.hello()
        more, final = client.call_2(envelope({"do": "generator_that_fails", "with": 3}), 10)
        items = [item for frame in more for item in frame] + (final or [])
        assert [item.get("payload", item.get("error")) for item in items] == [0, 1, 2, "processing_error"]


def test_a_list_of_one_is_told_from_a_plain_value() -> None:
    """As a stream of one: it is a fan-out, which fan-in joins again."""
    with running("many.act") as runtime, runtime.connect() as client, runtime.connect() as old:
        client.hello()
        more, final = client.call_2(envelope({"do": "echo", "with": [7]}), 10)
        assert ([[item["payload"] for item in frame] for frame in more], final) == ([[7]], [])
        more, final = client.call_2(envelope({"do": "echo", "with": 7}), 10)
        assert (more, [item["payload"] for item in final or []]) == ([], [7])
        assert [item["payload"] for item in old.call(envelope({"do": "echo", "with": [7]})) or []] == [7]
