"""The whole local mesh on the memory transport: real supervisor, sidecars, runtimes and crew."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from asya_local import mesh
from asya_local.trail import read_trail
from asya_manifest.errors import ManifestError
from asya_protocol import names
from asya_protocol.errors import AsyaError
from asya_transport.factory import open_admin
from asya_transport.settings import read_transport_settings
from lab.waits import wait_until
from tests.support.mesh import POLL_S, RunningMesh, edit, running_mesh, short_home, write_actor

LIMIT_S = 120.0
HELLO = Path(__file__).parents[2] / "support" / "hello_actor.yaml"
ECHO = "def handle(payload):\n    return payload\n"
SLOW = "import time\ndef handle(payload):\n    time.sleep(payload['s'])\n    return payload\n"
HELD = """\
import pathlib, time
def handle(payload):
    while not pathlib.Path(payload["gate"]).exists():
        time.sleep(0.05)
    return payload
"""

MakeMesh = Callable[..., RunningMesh]


@pytest.fixture
def make_mesh(tmp_path: Path) -> Iterator[MakeMesh]:
    """Make one mesh with its folder; it comes down at the end, and every process is gone."""
    home = short_home()
    with running_mesh(mesh.UpOptions(manifests=(tmp_path,), transport="memory", home=home)) as running:

        def make(*manifests: Path, **changes: object) -> RunningMesh:
            running.up(manifests=manifests or (tmp_path,), **changes)
            return running

        yield make


async def test_the_seeds_hello_actor_runs_unchanged_and_the_mesh_idles_at_zero(make_mesh: MakeMesh):
    """Asya 0.1.1's own manifest, 0 -> 1 -> result, and no replica before or after."""
    running = make_mesh(HELLO)
    assert running.processes("runtime") == []
    (envelope_id,) = await running.send(["hello-actor"], [{"who": "Asya"}])
    found = running.until_results([envelope_id])
    assert found[envelope_id]["payload"] == {"message": "Hello Asya!"}
    running.until(lambda actor: actor.status == "Napping", "happy-end")


async def test_an_actor_scales_from_zero_to_many_and_back_and_its_work_is_all_done(make_mesh: MakeMesh, tmp_path: Path):
    """0 -> N -> 0 on queue depth; at the end no sidecar and no runtime is left."""
    # The last look at a sidecar's figures must come before its end.
    scaling = {"enabled": True, "maxReplicas": 4, "pollingInterval": "300ms", "cooldownPeriod": 5, "queueLength": 1}
    write_actor(tmp_path, "slow", HELD, scaling=scaling)
    gate = tmp_path / "gate"
    running = make_mesh(max_replicas=3)
    running.until(lambda actor: actor.status == "Napping", "slow")
    ids = await running.send(["slow"], [{"gate": str(gate), "n": number} for number in range(24)])
    running.until(lambda actor: actor.replicas == 3, "slow")
    assert running.until(lambda actor: "capped at 3" in actor.message, "slow").max == 3
    gate.touch()
    found = running.until_results(ids)
    assert sorted(found[envelope_id]["payload"]["n"] for envelope_id in ids) == list(range(24))
    napping = running.until(lambda actor: actor.status == "Napping", "slow")
    assert (napping.done, napping.failed, napping.queued, napping.in_flight) == (24, 0, 0, 0)
    wait_until(
        lambda: not running.processes("runtime") and not running.processes("sidecar"), LIMIT_S, "no replica is left"
    )


async def test_a_route_runs_through_several_actors_and_failures_end_in_error_end(make_mesh: MakeMesh, tmp_path: Path):
    """Two actors, one of which refuses what it is told to refuse."""
    write_actor(tmp_path, "first", "def handle(p):\n    return {**p, 'first': True}\n")
    refuse = "def handle(p):\n    if p['n'] == 1:\n        raise ValueError('one')\n    return {**p, 'second': True}\n"
    retry = {"maxAttempts": 2, "initialDelay": "50ms"}
    write_actor(tmp_path, "second", refuse, retry=retry, scaling={"enabled": False})  # it stays until it was counted
    running = make_mesh()
    good, bad = await running.send(["first", "second"], [{"n": 0}, {"n": 1}])
    assert running.until_results([good])[good]["payload"] == {"n": 0, "first": True, "second": True}
    failed = running.until_results([bad], "error-asya")[bad]
    assert "one" in str(failed["payload"])
    running.until(lambda actor: actor.failed >= 1, "second")


async def test_processes_that_are_killed_come_back_and_no_envelope_is_lost(make_mesh: MakeMesh, tmp_path: Path):
    """SIGKILL of runtimes and sidecars under load."""
    write_actor(tmp_path, "slow", SLOW, scaling={"enabled": True, "minReplicas": 2, "maxReplicas": 2})
    running = make_mesh()
    running.until(lambda actor: actor.replicas == 2, "slow")
    ids = await running.send(["slow"], [{"s": 0.1} for _ in range(40)])
    for role in ("runtime", "sidecar", "runtime"):
        before = running.actor("slow")
        assert before is not None
        running.processes(role, "slow")[0].kill()
        running.until(lambda actor, past=before.restarts: actor.restarts > past, "slow")  # type: ignore[misc]
    running.until_results(ids)
    assert running.results("error-asya") == {}
    running.until(lambda actor: actor.status == "Running" and actor.replicas == 2, "slow")


async def test_an_end_of_the_runtime_is_told_with_its_signal_exit_code_or_place(make_mesh: MakeMesh, tmp_path: Path):
    """Of a process that was killed, that left, that crashed in native code, and of a handler that hung."""
    endings = {
        "kill": ("os.kill(os.getpid(), 9)", "the runtime was ended by SIGKILL (out of memory?)"),
        "leave": ("os._exit(3)", "the runtime ended with exit code 3"),
        "crash": ("ctypes.string_at(0)", "the runtime was ended by SIGSEGV (a crash in native code)"),
        "hang": ("time.sleep(60)", "Runtime timeout exceeded after 1s, at hang.py:3 in handle"),
    }
    for name, (line, _) in endings.items():
        code = f"import ctypes, os, time\ndef handle(payload):\n    {line}\n"
        write_actor(tmp_path, name, code, timeout={"processing": 1}, delivery={"maxDeliveries": 1})
    running = make_mesh()
    ids = {name: (await running.send([name], [{}]))[0] for name in endings}
    for name, (_, words) in endings.items():
        wait_until(lambda its=ids[name]: read_trail(running.home, its), LIMIT_S, f"a settlement of {name}")  # type: ignore[misc]
        step = read_trail(running.home, ids[name])[0]
        assert (step.result, step.cause) == ("dead_lettered", f"{words} (delivered 1 times)")


async def test_a_handler_that_cannot_be_imported_is_a_runtime_error_with_its_reason(
    make_mesh: MakeMesh, tmp_path: Path
):
    """The reason is the last line that explains; mending the code lets the waiting envelope through."""
    write_actor(tmp_path, "broken", "import no_such_module\n\ndef handle(p):\n    return p\n")
    running = make_mesh()
    (envelope_id,) = await running.send(["broken"], [{}])
    status = running.until(lambda actor: actor.status == "RuntimeError", "broken")
    assert f"No module named 'no_such_module', at {tmp_path / 'broken.py'}:1" in status.message
    edit(tmp_path / "broken.py", ECHO)
    running.until_results([envelope_id])


async def test_a_killed_supervisor_leaves_no_replica_and_the_next_one_finishes_the_work(
    make_mesh: MakeMesh, tmp_path: Path
):
    """The kernel ends the replicas, the broker keeps the envelopes, a second up takes it over."""
    write_actor(tmp_path, "slow", SLOW, scaling={"enabled": True, "minReplicas": 1, "maxReplicas": 2})
    running = make_mesh()
    running.until(lambda actor: actor.replicas == 1, "slow")
    (broker,) = running.processes("broker")
    ids = await running.send(["slow"], [{"s": 0.2} for _ in range(10)])
    running.until(lambda actor: actor.done > 0, "slow")
    info = mesh.find(running.home)
    assert info is not None
    os.kill(info.pid, signal.SIGKILL)
    wait_until(
        lambda: not running.processes("runtime") and not running.processes("sidecar"), LIMIT_S, "no replica is left"
    )
    assert mesh.find(running.home) is None
    assert not mesh.status(running.home).running
    again = running.up()
    assert (again.found, again.pid != info.pid) == (False, True)
    assert running.processes("broker") == [broker]
    running.until_results(ids)


async def test_down_finds_what_a_killed_supervisor_left_even_if_the_kernel_does_not_help(
    make_mesh: MakeMesh, tmp_path: Path
):
    """Processes that ignore SIGTERM and hide from their group are found by record or by marker."""
    hiding = (
        "import signal, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        ' print("hidden", flush=True); time.sleep(600)\'], start_new_session=True)\n'
        "def handle(p):\n    return p\n"
    )
    write_actor(tmp_path, "hiding", hiding, scaling={"enabled": False})
    running = make_mesh()
    running.until(lambda actor: actor.replicas == 1, "hiding")
    wait_until(
        lambda: any("hidden" in line.message for line in mesh.logs(running.home, "hiding")), LIMIT_S, "the log is shown"
    )
    info = mesh.find(running.home)
    assert info is not None
    os.kill(info.pid, signal.SIGKILL)
    assert running.down()
    assert running.processes() == []
    with contextlib.suppress(psutil.NoSuchProcess):
        assert psutil.Process(info.pid).status() == psutil.STATUS_ZOMBIE
    assert not running.down()


async def test_a_second_up_finds_the_first_and_hands_over_the_new_manifests(make_mesh: MakeMesh, tmp_path: Path):
    """Same supervisor; a new actor appears, a removed one goes, a running one is undisturbed."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    fixed = {"enabled": False}
    write_actor(one, "keeps", ECHO, scaling=fixed)
    write_actor(one, "goes", ECHO, scaling=fixed)
    write_actor(two, "comes", ECHO, scaling=fixed)
    running = make_mesh(one)
    pid = mesh.find(running.home).pid  # type: ignore[union-attr]
    running.until(lambda actor: actor.status == "Running", "keeps")
    running.until(lambda actor: actor.status == "Running", "goes")
    before = {process.pid for process in running.processes("runtime", "keeps")}
    (one / "goes.json").unlink()
    info = running.up(manifests=(one, two))
    assert (info.found, info.pid) == (True, pid)
    running.until(lambda actor: actor.status == "Running", "comes")
    wait_until(lambda: running.actor("goes") is None, LIMIT_S, "the actor is gone")
    assert before <= {p.pid for p in running.processes("runtime")}
    with pytest.raises(mesh.MeshError, match="cannot change its broker"):
        running.up(transport="rabbitmq", rabbitmq_url="amqp://localhost")


async def test_an_edited_manifest_is_followed_and_a_broken_edit_stops_nothing(make_mesh: MakeMesh, tmp_path: Path):
    """Level-based: what the files say is what runs, while they can be read."""
    path = write_actor(tmp_path, "steady", ECHO, scaling={"enabled": False})
    running = make_mesh()
    running.until(lambda actor: actor.replicas == 1, "steady")
    before = {process.pid for process in running.processes("runtime")}
    good = path.read_text()
    for broken, said in (('"maybe"', "spec.scaling.enabled"), ("2026-02-30", "cannot be read as YAML")):
        edit(path, good.replace('"enabled": false', f'"enabled": {broken}'))
        wait_until(lambda words=said: words in mesh.status(running.home).message, LIMIT_S, "the message")  # type: ignore[misc]
        assert running.actor("steady").status == "Running"  # type: ignore[union-attr]
    assert {process.pid for process in running.processes("runtime")} == before
    edit(path, good.replace('"enabled": false', '"enabled": true, "minReplicas": 2'))
    running.until(lambda actor: actor.replicas == 2, "steady")
    assert mesh.status(running.home).message == ""


async def test_a_deleted_queue_is_made_again(make_mesh: MakeMesh, tmp_path: Path):
    """Also its dead letter queue."""
    write_actor(tmp_path, "echo", ECHO)
    running = make_mesh()
    info = mesh.find(running.home)
    assert info is not None
    admin = open_admin(read_transport_settings(info.environment()))
    try:
        await admin.delete("asya-echo", force=True)
        deadline = time.monotonic() + 120
        while "asya-echo-dlq" not in await admin.list_queues("asya-echo"):
            assert time.monotonic() < deadline
            await asyncio.sleep(POLL_S)
        assert list(await admin.list_queues("asya-echo")) == ["asya-echo", names.dlq_name("asya-echo")]
    finally:
        await admin.close()
    (envelope_id,) = await running.send(["echo"], [{}])
    running.until_results([envelope_id])


async def test_a_broker_that_dies_is_started_again_and_the_mesh_goes_on(make_mesh: MakeMesh, tmp_path: Path):
    """What it held is lost, and is said to be; what comes after is processed."""
    write_actor(tmp_path, "echo", ECHO, scaling={"enabled": False})
    running = make_mesh()
    running.until(lambda actor: actor.status == "Running", "echo")
    (broker,) = running.processes("broker")
    broker.kill()
    wait_until(
        lambda: any(process.pid != broker.pid for process in running.processes("broker")), LIMIT_S, "another broker"
    )
    ids: list[str] = []
    deadline = time.monotonic() + 120
    while not ids:
        with contextlib.suppress(AsyaError):  # until it listens and its queues are made again
            ids = await running.send(["echo"], [{}])
        assert time.monotonic() < deadline, mesh.status(running.home)
    running.until_results(ids)
    assert any("broker died" in str(line) for line in mesh.logs(running.home))


async def test_down_lets_running_work_finish_and_reach_its_end(make_mesh: MakeMesh, tmp_path: Path):
    """A handler in the middle of its call ends it; its result is persisted, and what goes with the broker is told."""
    done, gate = tmp_path / "done", tmp_path / "gate"
    code = HELD.replace("    return", "    pathlib.Path(payload['done']).touch()\n    return")
    write_actor(tmp_path, "slow", code, scaling={"enabled": False})
    write_actor(tmp_path, "later", "import nobody_has_it\n", scaling={"enabled": False})
    running = make_mesh()
    running.until(lambda actor: actor.replicas == 1, "slow")
    ids = await running.send(["slow"], [{"gate": str(gate), "done": str(done)}])
    running.until(lambda actor: actor.in_flight == 1, "slow")
    await running.send(["later"], [{}, {}])
    with ThreadPoolExecutor(1) as thread:
        going_down = thread.submit(running.down)
        wait_until(lambda: mesh.find(running.home) is None, LIMIT_S, "the mesh stops")  # it stops, or has stopped
        assert not done.exists()
        gate.touch()
        assert going_down.result()
    assert done.exists()
    assert running.processes() == []
    assert set(ids) <= {path.stem for path in (running.home / "results").rglob("*.json")}
    assert running.said[-1] == "2 envelopes still waited, 2 for later, and went with the memory broker"


def test_a_manifest_that_cannot_be_used_starts_nothing(make_mesh: MakeMesh, tmp_path: Path):
    """The error names the file; no process is there afterwards."""
    path = write_actor(tmp_path, "bad", ECHO, retri={})
    with pytest.raises(ManifestError) as caught:
        make_mesh()
    assert f"{path} (document 1): AsyncActor 'bad': spec.retri: unknown field; did you mean 'retry'?" in str(
        caught.value
    )


def test_a_mesh_that_cannot_start_says_why_and_leaves_nothing(make_mesh: MakeMesh, tmp_path: Path):
    """The broker's address is taken by something else."""
    write_actor(tmp_path, "echo", ECHO)
    with pytest.raises(mesh.MeshError, match=r"queue .* cannot be created|cannot be reached"):
        make_mesh(transport="rabbitmq", rabbitmq_url="amqp://guest:guest@127.0.0.1:1/")


def test_there_is_nothing_where_no_mesh_is(tmp_path: Path):
    """Looking, taking down and reading logs of nothing."""
    home = tmp_path / "none"
    assert mesh.find(home) is None
    assert mesh.status(home).actors == []
    assert not mesh.down(home, lambda _: None)
    assert list(mesh.logs(home)) == []
    assert not home.exists()


async def test_logs_of_an_actor_are_read_and_followed(make_mesh: MakeMesh, tmp_path: Path):
    """What the handler prints is there, labelled with its process."""
    write_actor(
        tmp_path, "talks", "def handle(p):\n    print('said', p['n'])\n    return p\n", scaling={"enabled": False}
    )
    running = make_mesh()
    running.until(lambda actor: actor.replicas == 1, "talks")
    lines = mesh.logs(running.home, "talks", follow=True, lines=0)
    await running.send(["talks"], [{"n": 7}])
    said = next(line for line in lines if "said" in line.message)
    assert (said.source, said.message) == ("talks/1-runtime", "said 7")
    lines.close()  # type: ignore[attr-defined]
    assert any("said 7" in line.message for line in mesh.logs(running.home, "talks"))
    assert list(mesh.logs(running.home, "../etc")) == []
