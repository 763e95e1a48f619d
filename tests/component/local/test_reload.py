"""Edited code in a running mesh: real supervisor, sidecars, runtimes and crew on the memory transport."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asya_local import mesh
from tests.support.mesh import POLL_S, RunningMesh, edit, running_mesh, short_home, write_actor

FIXED = {"enabled": False}
LIMIT_S = 180.0


def answering(version: int, body: str = "pass") -> str:
    return f"import os, time\ndef handle(p):\n    {body}\n    return {{**p, 'version': {version}}}\n"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningMesh]:
    """A mesh of the test's folder, not yet up; it comes down at the end."""
    with running_mesh(mesh.UpOptions(manifests=(tmp_path,), transport="memory", home=short_home())) as it:
        yield it


async def until_answered(running: RunningMesh, actor: str, version: int) -> list[str]:
    """Send one envelope after the other until the given code answers one; return their ids."""
    ids: list[str] = []
    deadline = time.monotonic() + LIMIT_S
    while not any(found["payload"].get("version") == version for found in running.results().values()):
        assert time.monotonic() < deadline, mesh.status(running.home)
        ids += await running.send([actor], [{}])
        await asyncio.sleep(POLL_S)
    return ids


async def test_code_edited_under_a_stream_of_envelopes_is_live_and_costs_none_of_them(
    running: RunningMesh, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Five edits, of equal size and closer than a second; calls that run are finished, nothing fails or is lost."""
    code = tmp_path / "greet.py"
    write_actor(tmp_path, "greet", answering(0, "time.sleep(0.01)"), scaling=FIXED)
    running.up()
    running.until(lambda actor: actor.replicas == 1, "greet")
    ids = await until_answered(running, "greet", 0)
    took_s = []
    for version in range(1, 6):
        edit(code, answering(version, "time.sleep(0.01)"))
        edited_s = time.monotonic()
        ids += await until_answered(running, "greet", version)
        took_s.append(time.monotonic() - edited_s)
    found = running.until_results(ids)
    assert {found[envelope_id]["payload"]["version"] for envelope_id in ids} == set(range(6))
    assert running.results("error-asya") == {}
    actor = running.until(lambda actor: actor.done == len(ids), "greet")
    assert (actor.failed, actor.restarts) == (0, 0)
    attempts = [line for line in mesh.logs(running.home, "greet", lines=1000) if line.fields.get("result") == "retried"]
    assert attempts == []
    with capsys.disabled():
        print(
            f"\nedit -> answered by the new code, stored: {', '.join(f'{s:.2f}' for s in took_s)} s ({len(ids)} envelopes)"
        )


async def test_a_call_that_runs_while_its_code_is_edited_ends_with_the_old_code(running: RunningMesh, tmp_path: Path):
    """And the one that waited behind it is answered by the new."""
    gate = tmp_path / "gate"
    held = "while not os.path.exists(p['gate']): time.sleep(0.02)"
    write_actor(tmp_path, "slow", answering(1, held), scaling=FIXED)
    running.up()
    running.until(lambda actor: actor.replicas == 1, "slow")
    (first,) = await running.send(["slow"], [{"gate": str(gate)}])
    running.until(lambda actor: actor.in_flight == 1, "slow")
    edit(tmp_path / "slow.py", answering(2))
    running.until(lambda actor: actor.replicas == 0, "slow")
    (second,) = await running.send(["slow"], [{"gate": str(gate)}])
    gate.touch()
    found = running.until_results([first, second])
    assert [found[envelope_id]["payload"]["version"] for envelope_id in (first, second)] == [1, 2]


async def test_a_broken_edit_is_said_and_the_next_good_one_recovers_at_once(running: RunningMesh, tmp_path: Path):
    """Whatever the pause between restarts has grown to; what was sent meanwhile is waiting."""
    code = tmp_path / "greet.py"
    write_actor(tmp_path, "greet", answering(1), scaling=FIXED)
    running.up()
    running.until(lambda actor: actor.status == "Running", "greet")
    edit(code, "def handle(p)\n    return p\n")
    broken = running.until(lambda actor: actor.status == "RuntimeError", "greet")
    assert "importing greet failed: SyntaxError: " in broken.message
    (envelope_id,) = await running.send(["greet"], [{}])
    running.until(lambda actor: actor.restarts >= 4, "greet")  # pauses of seconds by now
    edit(code, answering(2))
    assert running.until_results([envelope_id])[envelope_id]["payload"] == {"version": 2}
    assert running.until(lambda actor: actor.status == "Running", "greet").failed == 0


async def test_code_in_a_configmap_is_edited_like_any_other(running: RunningMesh, tmp_path: Path):
    """The replica stays, its runtime is new."""
    manifest = Path(__file__).parents[2] / "support" / "hello_actor.yaml"
    text = manifest.read_text().replace("enabled: true", "enabled: false")
    (tmp_path / "hello.yaml").write_text(text)
    running.up()
    running.until(lambda actor: actor.status == "Running", "hello-actor")
    (sidecar,) = running.processes("sidecar", "hello-actor")
    edit(tmp_path / "hello.yaml", text.replace("Hello {", "Good morning {"))
    deadline = time.monotonic() + LIMIT_S
    while not any("Good morning" in str(found["payload"]) for found in running.results().values()):
        assert time.monotonic() < deadline
        await running.send(["hello-actor"], [{"who": "you"}])
        await asyncio.sleep(POLL_S)
    assert sidecar.is_running()
    assert running.results("error-asya") == {}


async def test_actors_of_other_folders_and_meshes_without_reload_keep_their_runtimes(
    running: RunningMesh, tmp_path: Path
):
    """An edit concerns the actors of its folder; with reloading off it concerns nobody."""
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        write_actor(folder, folder.name, answering(1), scaling=FIXED)
    running.up(manifests=(one, two))
    for name in ("one", "two"):
        running.until(lambda actor: actor.replicas == 1, name)
    before = {name: running.processes("runtime", name) for name in ("one", "two")}
    edit(one / "one.py", answering(2))
    await until_answered(running, "one", 2)
    assert running.processes("runtime", "one") != before["one"]
    assert running.processes("runtime", "two") == before["two"]
    running.up(reload=False)
    edit(two / "two.py", answering(3))
    for _ in range(20):
        (envelope_id,) = await running.send(["two"], [{}])
        assert running.until_results([envelope_id])[envelope_id]["payload"] == {"version": 1}


async def test_an_edit_reloads_the_actor_that_loaded_the_code_and_a_handlers_own_files_reload_nobody(
    running: RunningMesh, tmp_path: Path
):
    """Two actors in one folder; one writes a total beside its code after every call, and has a test there."""
    (tmp_path / "metrics.json").write_text("{}")
    total = "open('metrics.json', 'w').write(str(time.time()))"
    write_actor(tmp_path, "counts", answering(1, total), scaling=FIXED)
    write_actor(tmp_path, "other", answering(1), scaling=FIXED)
    running.up()
    for name in ("counts", "other"):
        running.until(lambda actor: actor.replicas == 1, name)
    before = {name: running.processes("runtime", name) for name in ("counts", "other")}
    for number in range(3):
        edit(tmp_path / "test_counts.py", f"x = {number}\n")
        (envelope_id,) = await running.send(["counts"], [{}])
        running.until_results([envelope_id])
        await asyncio.sleep(1.0)
    edit(tmp_path / "other.py", answering(2))
    await until_answered(running, "other", 2)
    assert running.processes("runtime", "counts") == before["counts"]
    assert running.processes("runtime", "other") != before["other"]
