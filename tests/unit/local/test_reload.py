"""New runtimes for edited code, in virtual time with fake processes."""

from pathlib import Path
from typing import Any

import pytest

from asya_local.backoff import RestartPolicy
from asya_local.figures import Reading
from asya_local.plan import ActorPlan, MeshSettings, plan_actor
from asya_local.pool import ActorPool
from asya_local.replica import RUNTIME_GRACE_S
from asya_manifest.actor import parse_actor
from asya_manifest.files import DeclaredActor, Manifests, Origin
from asya_protocol import names
from tests.support.fake_processes import FakeLauncher, FakeProcess


def make_plan(folder: Path, code: bytes = b"old", **spec: Any) -> ActorPlan:
    manifest = folder / "a.yaml"
    manifest.touch()
    runtime = {"name": "asya-runtime", "volumeMounts": [{"name": "code", "mountPath": "/app"}]}
    pod = {"containers": [runtime], "volumes": [{"name": "code", "configMap": {"name": "code"}}]}
    document = {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": "ocr"},
        "spec": {
            "transport": "sqs",
            "handler": "m.f",
            "scaling": {"enabled": False},
            "workload": {"replicas": 2, "template": {"spec": pod}},
            **spec,
        },
    }
    settings = MeshSettings(folder, "id", "memory", {}, {"PATH": "/bin"}, None, 10)
    declared = DeclaredActor(parse_actor(document), Origin(manifest, 1))
    return plan_actor(declared, Manifests(config_maps={"code": {"m.py": code}}), settings)


class World:
    """A pool of two replicas, both serving, and a clock."""

    def __init__(self, folder: Path, *, obeys: bool = True) -> None:
        self.launcher = FakeLauncher(obeys=obeys)
        policy = RestartPolicy(first_s=1, cap_s=8, healthy_s=30)
        self.pool = ActorPool(make_plan(folder), folder / "run", folder / "logs", self.launcher, policy)
        self.now_s = 100.0
        self.step()
        self.serve()

    def step(self, seconds: float = 0.0) -> None:
        self.now_s += seconds
        self.pool.tick(self.now_s)

    def serve(self, active: int = 0) -> None:
        for replica in self.pool.replicas:
            (replica.folder / names.READY_NAME).touch()
            self.pool.observe_metrics(replica, Reading(active=active))

    @property
    def runtimes(self) -> list[FakeProcess]:
        return self.launcher.running("runtime")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_reload_gives_every_replica_a_new_runtime_and_keeps_its_sidecar(world: World):
    """Which is no death and no restart: nothing went wrong."""
    old, sidecars = world.runtimes, world.launcher.running("sidecar")
    world.pool.reload()
    assert world.pool.reloading
    world.step()
    assert [process.signals for process in old] == [["TERM", "KILL"], ["TERM", "KILL"]]  # its group, once it is gone
    assert len(world.runtimes) == 2
    assert not set(map(id, world.runtimes)) & set(map(id, old))
    assert world.launcher.running("sidecar") == sidecars
    assert not any(process.signals for process in sidecars)
    assert (world.pool.status().restarts, world.pool.reloading) == (0, False)


def test_a_running_call_ends_first_however_long_it_takes_and_is_asked_once(tmp_path: Path):
    """A second edit meanwhile changes nothing: the new runtime will load what is there then."""
    world = World(tmp_path, obeys=False)
    world.serve(active=1)
    old = world.runtimes
    world.pool.reload()
    world.step()
    world.pool.reload()
    for _ in range(20):
        world.step(RUNTIME_GRACE_S)
    assert [process.signals for process in old] == [["TERM"], ["TERM"]]
    assert world.pool.reloading
    for process in old:
        process.exit_code = 0
    world.step()
    assert len(world.runtimes) == 2
    assert not world.pool.reloading


def test_an_idle_runtime_that_stays_though_asked_to_end_is_killed(tmp_path: Path):
    """A thread of the user's may keep it; nothing of an envelope's is in it."""
    world = World(tmp_path, obeys=False)
    world.serve(active=1)
    old = world.runtimes
    world.pool.reload()
    world.step()
    world.step(60)
    world.serve(active=0)
    world.step(RUNTIME_GRACE_S - 0.1)
    assert "KILL" not in old[0].signals
    world.step(0.2)
    assert "KILL" in old[0].signals
    world.step()
    assert len(world.runtimes) == 2


def test_an_edit_ends_the_pause_of_a_runtime_that_kept_dying_and_its_ill_fame(world: World):
    """The broken edit is a runtime error; the next good one is tried at once."""
    for _ in range(4):
        for process in world.runtimes:
            process.exit_code = 1
        world.step()
        world.step(0.9 if not world.runtimes else 0)
        while not world.runtimes:
            world.step(1)
    for process in world.runtimes:
        process.exit_code = 1
    world.step()
    assert (world.pool.status().status, world.runtimes) == ("RuntimeError", [])
    world.pool.reload()
    world.step()
    assert len(world.runtimes) == 2
    world.serve()
    assert world.pool.status().status == "Running"


def test_a_changed_mounted_file_needs_new_runtimes_and_no_new_replicas(world: World, tmp_path: Path):
    """Code in a ConfigMap is edited like any other."""
    sidecars = world.launcher.running("sidecar")
    old = world.runtimes
    world.pool.follow(make_plan(tmp_path, b"new"))
    world.step()
    assert world.launcher.running("sidecar") == sidecars
    assert len(world.runtimes) == 2
    assert all("TERM" in process.signals for process in old)
    world.pool.follow(make_plan(tmp_path, b"new"))
    assert not world.pool.reloading


def test_a_replica_on_its_way_out_keeps_its_runtime_for_its_drain(tmp_path: Path):
    """The drain finishes calls with the code that began them."""
    world = World(tmp_path, obeys=False)
    world.pool.stop()
    world.step()
    world.pool.reload()
    world.step()
    assert [process.signals for process in world.runtimes] == [[], []]
