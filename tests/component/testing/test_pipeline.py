"""What ``asya.testing`` tells of a pipeline: results, errors, dead letters, and mistakes in the test itself."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from asya.testing import (
    Actor,
    EnvelopesFailed,
    HandlerNotLoaded,
    NotOneResult,
    Pipeline,
    PipelineError,
    PipelineTimeout,
    RetryPolicy,
    UnknownActor,
)
from asya_protocol.errors import TransportUnavailable
from lab.servers.localstack import localstack_endpoint
from lab.servers.rabbitmq import rabbitmq_server, rabbitmq_url
from tests.support.handlers import steps

__all__ = ["localstack_endpoint", "rabbitmq_server", "rabbitmq_url"]

STEPS = "tests.support.handlers.steps"

pytestmark = pytest.mark.xdist_group("asya-testing")


@pytest.fixture(params=["memory", "rabbitmq", "sqs"])
def broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each broker in turn, named by the environment."""
    name = str(request.param)
    monkeypatch.setenv("ASYA_TRANSPORT", name)
    if name == "rabbitmq":
        monkeypatch.setenv("ASYA_RABBITMQ_URL", request.getfixturevalue("rabbitmq_url"))
    if name == "sqs":
        monkeypatch.setenv("ASYA_SQS_ENDPOINT", request.getfixturevalue("localstack_endpoint"))
    return name


@pytest.mark.usefixtures("broker")
def test_errors_crashes_and_fan_outs_are_told_alike_on_every_broker():
    """One pipeline, one run after the other: a failure of one does not reach the next."""
    with Pipeline(
        {"split": steps.split, "odd": steps.odd_fails, "crash": steps.crash, "add": f"{STEPS}.add_one"}
    ) as pipeline:
        mixed = pipeline.run({"ns": [0, 1, 2, 3]}, route=["split", "odd", "add"])
        assert mixed.payloads == [{"n": 1}, {"n": 3}]
        assert [(error.actor, error.type, error.message) for error in mixed.errors] == [
            ("odd", "ValueError", "1 is odd"),
            ("odd", "ValueError", "3 is odd"),
        ]
        assert [error.payload for error in mixed.errors] == [{"n": 1}, {"n": 3}]
        assert "steps.py" in mixed.errors[0].traceback
        assert 'raise ValueError(f"{payload' in mixed.errors[0].traceback

        crashed = pipeline.run({"crash": True}, route=["crash", "add"])
        [dead] = crashed.errors
        assert (dead.actor, dead.dead_letter, dead.type, dead.payload) == ("crash", True, "", {"crash": True})
        assert "delivered 5 times" in dead.message
        assert crashed.results == []

        assert pipeline.run({"n": 1}, route=["crash", "add"]).payload == {"n": 2}


@pytest.mark.usefixtures("broker")
def test_payloads_over_a_brokers_limit_arrive_and_fail_like_small_ones():
    """Given to the run, made by a handler, in an error and in a dead letter; SQS takes 256 KiB, memory 16 MiB."""
    large = "y" * 1_000_000
    with Pipeline(
        {"grow": steps.grow, "odd": steps.odd_fails, "crash": Actor(steps.crash, max_deliveries=1)}
    ) as pipeline:
        grown = pipeline.run({"n": 0, "chars": 1_000_000}, route=["grow", "odd"]).payload
        assert grown == {"n": 0, "chars": 1_000_000, "text": "x" * 1_000_000}
        assert pipeline.run({"n": 2, "text": large}, route=["odd", "crash"]).payload == {"n": 2, "text": large}
        [error] = pipeline.run({"n": 1, "text": large}, route=["odd"]).errors
        assert (error.message, error.payload) == ("1 is odd", {"n": 1, "text": large})
        [dead] = pipeline.run({"crash": True, "text": large}, route=["crash"]).errors
        assert (dead.dead_letter, dead.payload) == (True, {"crash": True, "text": large})


@pytest.mark.usefixtures("broker")
def test_two_pipelines_on_one_broker_never_meet():
    """Though their actors have the same name."""
    with Pipeline({"step": steps.add_one}) as adding, Pipeline({"step": steps.nothing}) as doing_nothing:
        assert adding.run({"n": 1}).payload == {"n": 2}
        assert doing_nothing.run({"n": 1}).payload == {"n": 1}


def test_a_generators_items_arrive_in_their_order():
    """More than one frame of them, each one hop further."""
    with Pipeline({"count": steps.count_to, "add": steps.add_one}) as pipeline:
        outcome = pipeline.run({"n": 50})
    assert outcome.payloads == [{"n": n + 1} for n in range(50)]
    with pytest.raises(NotOneResult, match="50 results"):
        _ = outcome.payload


def test_headers_reach_the_end():
    """And a trace is begun."""
    with Pipeline({"add": steps.add_one}) as pipeline:
        [result] = pipeline.run({"n": 1}, headers={"tenant": "a"}).results
    assert result.headers["tenant"] == "a"
    assert "traceparent" in result.headers
    assert result.route == ("add",)


def test_a_handler_may_route_by_plain_name_and_a_name_that_is_not_there_is_an_error_at_once():
    """In a mesh the missing queue would be waited for; here nobody can add it."""
    with Pipeline({"go": Actor(steps.go_on_to, mode="envelope"), "add": steps.add_one}) as pipeline:
        assert pipeline.run({"to": "add", "n": 1}, route=["go"]).payload == {"to": "add", "n": 2}
        [error] = pipeline.run({"to": "elsewhere"}, route=["go"], timeout_s=9).errors  # the mesh's patience is 10 s
    assert error.message == "actor 'elsewhere' is not in this pipeline; it has: go, add"
    assert error.actor == "go"


def test_a_handler_that_takes_batches_gets_them_and_fails_one_by_one():
    """Full ones or not."""
    with Pipeline({"split": steps.split, "add": Actor(steps.add_one_to_each, batch_size=3)}) as pipeline:
        outcome = pipeline.run({"ns": [0, 1, 2, 4, 6, 8, 10]})
    assert outcome.payloads == [{"n": n} for n in (1, 3, 5, 7, 9, 11)]
    assert [error.message for error in outcome.errors] == ["1 is odd"]


def test_calls_run_side_by_side_where_the_actor_says_so():
    """Each waits for the other."""
    with Pipeline({"split": steps.split, "meet": Actor(steps.meet, concurrency=2)}) as pipeline:
        assert pipeline.run({"ns": [1, 2]}).payloads == [{"n": 1}, {"n": 2}]


def test_attempts_are_those_of_the_mesh_without_its_pauses():
    """Three; a policy of one's own is kept."""
    with Pipeline(
        {"once": steps.fails_once, "never": Actor(steps.fails_once, retry=RetryPolicy(max_attempts=1))}
    ) as pipeline:
        assert pipeline.run({"n": 1}, route=["once"]).payload == {"n": 1}
        with pytest.raises(EnvelopesFailed, match=r"(?s)never: ValueError: not yet\nTraceback.*steps\.py"):
            pipeline.run({"n": 1}, route=["never"]).raise_for_errors()


def test_a_handler_past_its_time_is_a_dead_letter_and_its_runtime_is_started_again():
    """The limit is the actor's, not the run's."""
    with Pipeline({"sleep": Actor(steps.sleep, timeout_s=3, max_deliveries=1)}) as pipeline:
        [error] = pipeline.run({"s": 60}).errors
        assert error.dead_letter
        assert "Runtime timeout exceeded after 3s" in error.message
        assert pipeline.run({"s": 0}).payload == {"s": 0}


def test_a_run_that_takes_too_long_says_where_its_envelopes_are():
    """What has not begun included; and the pipeline can be closed."""
    with Pipeline({"split": steps.split, "sleep": steps.nothing, "stuck": steps.sleep}) as pipeline:
        assert pipeline.run({"s": 0}, route=["stuck"]).payload == {
            "s": 0
        }  # its start takes none of the next run's time
        with pytest.raises(PipelineTimeout, match=r"not ended within 5 s: 1 in hand at 'stuck'$"):
            pipeline.run({"s": 600}, route=["stuck"], timeout_s=5)
        assert pipeline.run({"ns": []}, route=["split"]).payloads == [{"ns": []}]


def test_what_handlers_print_is_shown_with_the_run_that_they_belong_to(capsys: pytest.CaptureFixture[str]):
    """And their environment is the test's, with what the actor adds."""
    with Pipeline({"tell": Actor(steps.tell, env={"LANGUAGE": "de"})}) as pipeline:
        first = pipeline.run({"text": "one"}).payload
        assert capsys.readouterr().out == "[tell] told one\n"
        second = pipeline.run({"text": "two"}).payload
        assert capsys.readouterr().out == "[tell] told two\n"
    assert first == second
    assert first["language"] == "de"


def test_runs_of_several_threads_overlap():
    """Each gets its own results."""
    with Pipeline({"count": steps.count_to, "add": steps.add_one}) as pipeline, ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda n: pipeline.run({"n": n}), range(1, 25)))
    assert [len(outcome.payloads) for outcome in outcomes] == list(range(1, 25))


async def test_it_works_where_a_loop_runs_already():
    """As in every test of pytest-asyncio."""
    with Pipeline({"add": steps.add_one}) as pipeline:
        assert pipeline.run({"n": 1}).payload == {"n": 2}
        assert (await asyncio.to_thread(pipeline.run, {"n": 2})).payload == {"n": 3}


@pytest.mark.parametrize(
    ("handler", "cause"),
    [
        ("nowhere.handle", "could not import module nowhere"),
        (f"{STEPS}.missing", "has no attribute missing"),
        ("tests.support.handlers.bad_import.handle", "importing"),
    ],
)
def test_a_handler_that_cannot_be_loaded_is_an_error_at_once(handler: str, cause: str):
    """With the runtime's own words; again in the next run, and only where the route goes there."""
    with Pipeline({"bad": handler, "add": steps.add_one}) as pipeline:
        for _ in range(2):
            with pytest.raises(HandlerNotLoaded, match=cause):
                pipeline.run({"n": 1}, timeout_s=30)
        assert pipeline.run({"n": 1}, route=["add"]).payload == {"n": 2}


def test_mistakes_in_the_test_itself_are_told_before_anything_is_sent():
    """A route to nowhere, a route that is text, no JSON, no with block."""
    pipeline = Pipeline({"add": steps.add_one})
    with pytest.raises(PipelineError, match="with block"):
        pipeline.run({"n": 1})
    with pipeline:
        with pytest.raises(UnknownActor, match="actor 'ad' is not in this pipeline; it has: add"):
            pipeline.run({"n": 1}, route=["add", "ad"])
        with pytest.raises(PipelineError, match="must be a list of actor names"):
            pipeline.run({"n": 1}, route="add")
        with pytest.raises(PipelineError, match="must be a list of actor names"):
            pipeline.run({"n": 1}, route=[])
        with pytest.raises(PipelineError, match="not JSON"):
            pipeline.run({"n": {1, 2}})
        with pytest.raises(PipelineError, match="running already"), pipeline:
            pass
        assert pipeline.run({"n": 1}).payload == {"n": 2}
    with pipeline:  # closed and opened again
        assert pipeline.run({"n": 1}).payload == {"n": 2}


def test_a_broker_that_is_away_is_an_error_that_leaves_nothing(monkeypatch: pytest.MonkeyPatch):
    """No thread either."""
    monkeypatch.setenv("ASYA_TRANSPORT", "rabbitmq")
    monkeypatch.setenv("ASYA_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:1/")
    monkeypatch.setenv("ASYA_QUEUE_RETRY_MAX_ATTEMPTS", "1")
    with pytest.raises(TransportUnavailable), Pipeline({"add": steps.add_one}):
        pass
    assert "asya-testing" not in {thread.name for thread in threading.enumerate()}


def test_a_closed_pipeline_leaves_no_process_no_thread_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nor does one whose block ended with an error."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyError), Pipeline({"tell": steps.tell}) as pipeline:
        pid = pipeline.run({"text": ""}).payload["pid"]
        assert psutil.pid_exists(pid)
        raise KeyError
    assert not psutil.pid_exists(pid)
    assert "asya-testing" not in {thread.name for thread in threading.enumerate()}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent is gone")
def test_a_killed_test_run_leaves_no_runtime():
    """As when the machine runs out of memory, or a job is cancelled."""
    program = (
        "import sys; from asya.testing import Pipeline\n"
        f"with Pipeline({{'tell': '{STEPS}.tell'}}) as pipeline:\n"
        "    print(pipeline.run({'text': ''}).payload['pid'], flush=True); sys.stdin.read()\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as test_run:
        assert test_run.stdout is not None
        lines = [test_run.stdout.readline() for _ in range(2)]
        runtime = psutil.Process(int(lines[1]))
        os.kill(test_run.pid, signal.SIGKILL)
        psutil.wait_procs([runtime], timeout=30)
        assert not runtime.is_running() or runtime.status() == psutil.STATUS_ZOMBIE
