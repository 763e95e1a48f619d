"""One actor's replicas, in virtual time with fake processes."""

from pathlib import Path
from typing import Any

import pytest

from asya_local.backoff import RestartPolicy
from asya_local.figures import Reading
from asya_local.plan import ActorPlan, MeshSettings, plan_actor
from asya_local.pool import ActorPool, socket_folder_name
from asya_local.replica import LOAD_LIMIT_S, RUNTIME_GRACE_S, Replica
from asya_manifest.actor import parse_actor
from asya_manifest.files import DeclaredActor, Manifests, Origin
from asya_protocol import names
from asya_transport.port import Depth
from tests.support.fake_processes import FakeLauncher

SCALING = {"enabled": True, "maxReplicas": 10, "pollingInterval": 5, "cooldownPeriod": 20, "queueLength": 2}


def make_plan(folder: Path, *, cap: int = 10, **spec: Any) -> ActorPlan:
    manifest = folder / "a.yaml"
    manifest.touch()
    document = {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": "ocr"},
        "spec": {"transport": "sqs", "handler": "m.f", "scaling": SCALING, "timeout": {"gracefulShutdown": 10}, **spec},
    }
    settings = MeshSettings(folder, "id", "memory", {}, {"PATH": "/bin"}, None, cap)
    return plan_actor(DeclaredActor(parse_actor(document), Origin(manifest, 1)), Manifests(), settings)


class World:
    """A pool, its fake processes and a clock."""

    def __init__(self, folder: Path, *, obeys: bool = True, **spec: Any) -> None:
        self.folder = folder
        self.launcher = FakeLauncher(obeys=obeys)
        policy = RestartPolicy(first_s=1, cap_s=8, healthy_s=30)
        self.pool = ActorPool(make_plan(folder, **spec), folder / "run", folder / "logs", self.launcher, policy)
        self.now_s = 0.0

    def step(self, seconds: float = 0.0) -> None:
        self.now_s += seconds
        self.pool.tick(self.now_s)

    def depth(self, ready: int, in_flight: int = 0, delayed: int = 0) -> None:
        self.pool.observe_depth(self.now_s, Depth(ready, in_flight, delayed))
        self.step()

    def replica(self, index: int = 0) -> Replica:
        return self.pool.replicas[index]

    def serve(self, active: int = 0, *, which: int | None = None, done: int = 0) -> None:
        """Let replicas become ready and report."""
        for index, replica in enumerate(self.pool.replicas):
            if which in (None, index):
                (replica.folder / names.READY_NAME).touch()
                self.pool.observe_metrics(replica, Reading(active=active, done=done))

    @property
    def counts(self) -> tuple[int, int]:
        return len(self.launcher.running("sidecar")), len(self.launcher.running("runtime"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_a_sidecar_took_since_the_queue_was_measured_is_counted_once(world: World):
    world.depth(97)
    world.serve(active=97, which=0)
    world.step()
    first = world.pool.status()
    assert (first.queued, first.in_flight) == (97, 0)
    world.depth(3, in_flight=94)
    then = world.pool.status()
    assert (then.queued, then.in_flight) == (3, 97), "what a broker does not tell, its sidecars do"


def test_what_waits_for_an_actor_without_a_replica_wakes_it_before_its_next_poll(world: World):
    world.depth(0)
    world.step(1)
    world.depth(3)
    assert world.pool.target == 2
    world.step(1)
    world.depth(9)
    assert world.pool.target == 2, "further replicas come at the actor's own pace"


def test_an_actor_without_work_has_no_process(world: World):
    """Zero means zero."""
    world.depth(0)
    assert world.counts == (0, 0)
    assert world.pool.status().status == "Napping"


def test_work_starts_replicas_each_a_sidecar_and_a_runtime_with_a_private_folder(world: World):
    """From zero to what the depth asks for."""
    world.depth(5)
    assert world.counts == (3, 3)
    assert len({process.spec.env["ASYA_SOCKET_DIR"] for process in world.launcher.started}) == 3
    assert world.pool.status().status == "ScalingUp"
    world.serve()
    assert (world.pool.status().status, world.pool.status().replicas) == ("Running", 3)


def test_the_count_changes_at_the_actors_own_pace(world: World):
    """Depths are looked at more often for the eye than for scaling."""
    world.depth(1)
    world.step(2)
    world.depth(100)
    assert (world.counts[0], world.pool.status().queued) == (1, 100)
    world.step(3)
    world.depth(100)
    assert world.counts[0] == 10


def test_fewer_are_kept_only_after_the_cooldown_and_busy_ones_are_spared(world: World):
    """10 busy, then 9 idle: the nine go, the busy one stays until it is idle."""
    world.depth(20)
    world.serve()
    world.serve(active=1, which=4)
    for _ in range(4):
        world.step(5)
        world.depth(0)
        assert world.counts[0] == 10
    world.step(5)
    world.depth(0, in_flight=0)
    assert world.pool.target == 1  # the sidecar itself says that one envelope is in flight
    assert world.counts[0] == 1
    for _ in range(5):
        world.step(5)
        world.depth(0)
    assert world.counts[0] == 1
    assert world.replica().number == 5
    world.serve(active=0)
    for _ in range(5):
        world.step(5)
        world.depth(0)
    world.step()
    assert world.counts == (0, 0)
    assert world.pool.empty


def test_a_busy_replica_is_spared_also_when_the_broker_says_nothing_is_in_flight(tmp_path: Path):
    """MinReplicas shrinks, all are busy: none is stopped."""
    world = World(tmp_path)
    world.depth(6)
    world.serve(active=1)
    world.pool.follow(make_plan(tmp_path, cap=1))
    world.step(1)
    assert world.counts[0] == 3
    world.serve(active=0, which=0)
    world.step(1)
    assert world.counts[0] == 2


def test_stopping_asks_the_sidecar_first_and_the_runtime_after_it_is_gone(tmp_path: Path):
    """The sidecar drains with its runtime still there."""
    world = World(tmp_path, obeys=False)
    world.depth(1)
    sidecar, runtime = world.launcher.running("sidecar")[0], world.launcher.running("runtime")[0]
    world.pool.stop()
    world.step(1)
    assert (sidecar.signals, runtime.signals) == (["TERM"], [])
    sidecar.exit_code = 0
    world.step(1)
    assert runtime.signals == ["TERM"]
    runtime.exit_code = 0
    world.step(1)
    assert world.pool.empty


def test_what_does_not_end_in_its_grace_period_is_killed(tmp_path: Path):
    """10 s for the sidecar (its actor's own), a few more for the runtime."""
    world = World(tmp_path, obeys=False)
    world.depth(1)
    sidecar, runtime = world.launcher.running("sidecar")[0], world.launcher.running("runtime")[0]
    world.pool.stop()
    world.step(1)
    world.step(9.9)
    assert "KILL" not in sidecar.signals
    world.step(0.2)
    assert "KILL" in sidecar.signals
    world.step(0.1)
    world.step(RUNTIME_GRACE_S - 0.2)
    assert "KILL" not in runtime.signals
    world.step(0.3)
    world.step(0.1)
    assert "KILL" in runtime.signals
    assert world.pool.empty


def test_a_runtime_that_dies_is_started_again_alone_and_the_lie_of_its_ready_file_is_removed(world: World):
    """The sidecar stays; the ready file would call a dead runtime ready."""
    world.depth(1)
    world.serve()
    (sidecar,), (runtime,) = world.launcher.running("sidecar"), world.launcher.running("runtime")
    runtime.exit_code = -9
    world.step(1)
    assert "KILL" in runtime.signals  # its group: what the handler had started
    assert world.counts == (1, 0)
    world.step(1)
    assert world.counts == (1, 1)
    assert sidecar.signals == []
    assert not world.replica().ready
    world.serve()
    assert (world.pool.status().restarts, world.pool.status().status) == (1, "Running")


def test_a_process_that_keeps_dying_waits_longer_each_time_and_starts_afresh_after_a_good_life(world: World):
    """1, 2, 4, 8, 8 seconds; then, after 30 s of life, 1 second again."""
    world.depth(1)
    pauses = []
    for _ in range(5):
        world.launcher.running("runtime")[0].exit_code = 1
        world.step()
        died_s = world.now_s
        while not world.launcher.running("runtime"):
            world.step(0.5)
        pauses.append(world.now_s - died_s)
    assert pauses == [1, 2, 4, 8, 8]
    world.step(30)
    world.launcher.running("runtime")[0].exit_code = 1
    world.step()
    world.step(1)
    assert world.counts == (1, 1)


def test_a_runtime_that_keeps_dying_makes_a_runtime_error_with_the_reason(world: World):
    """The reason is in its log."""
    world.depth(1)
    log = world.launcher.running("runtime")[0].spec.log
    log.parent.mkdir(parents=True)
    for _ in range(2):
        with log.open("a") as file:
            file.write("Traceback\nModuleNotFoundError: No module named 'm'\n")
        world.launcher.running("runtime")[0].exit_code = 1
        world.step()
        world.step(2)
    status = world.pool.status()
    assert status.status == "RuntimeError"
    assert status.message.startswith("ModuleNotFoundError: No module named 'm'; ")
    assert f"{world.pool.plan.python} looked for it: " in status.message
    world.step(30)
    assert world.pool.status().status == "ScalingUp"


def test_what_an_up_found_of_a_napping_actor_stays_until_a_replica_is_ready_or_the_plan_changes(world: World):
    """So that who waits is not told that a replica will be there in seconds."""
    world.pool.unloadable = "SyntaxError: invalid syntax (m.py, line 3)"
    status = world.pool.status()
    assert (status.status, status.desired) == ("RuntimeError", 0)
    assert status.message.startswith("SyntaxError: invalid syntax (m.py, line 3) (as asya local up found it")
    world.depth(1)
    assert world.pool.status().status == "RuntimeError"
    world.serve()
    status = world.pool.status()
    assert (status.status, status.message) == ("Running", "")
    world.pool.unloadable = "again"
    world.pool.follow(make_plan(world.folder, env={"A": "1"}))
    assert world.pool.unloadable == ""


def test_a_handler_that_hangs_while_it_is_imported_is_told_then_ended_and_tried_again(world: World):
    """One that merely loads long is told as well, and not once it has been loaded."""
    world.depth(1)
    (runtime,) = world.launcher.running("runtime")
    world.step(15)
    assert world.pool.status().message == ""
    world.step(15)
    assert "its handler has been loading for 30 s" in world.pool.status().message
    assert "asya local logs ocr" in world.pool.status().message
    world.step(LOAD_LIMIT_S)
    assert "KILL" in runtime.signals
    world.step(1)
    world.step(1)
    (again,) = world.launcher.running("runtime")
    assert again is not runtime
    world.step(25)
    world.serve()
    world.step()
    assert world.pool.status().message == ""


def test_a_sidecar_that_keeps_dying_degrades_its_actor(world: World):
    """With what it said, or that it said nothing."""
    world.depth(1)
    for _ in range(2):
        world.launcher.running("sidecar")[0].exit_code = 1
        world.step()
        world.step(2)
    assert world.pool.status().status == "Degraded"
    assert world.pool.status().message == "its sidecar ended with exit code 1"


def test_a_runtimes_end_is_noted_for_its_sidecar_and_told_of_its_actor(world: World):
    """The note of an earlier end stays while the next life begins: the sidecar may still have to read it."""
    world.depth(1)
    note = world.replica().folder / names.END_NAME
    assert note.read_bytes() == b"", "somebody watches, nothing has ended yet"
    for exit_code, words in ((-9, b'{"signal": 9}'), (3, b'{"exit_code": 3}')):
        world.launcher.running("runtime")[0].exit_code = exit_code
        world.step()
        assert note.read_bytes() == words
        world.step(5)
        assert note.read_bytes() == words
    assert (world.pool.status().status, world.pool.status().message) == (
        "RuntimeError",
        "its runtime ended with exit code 3",
    )


def test_a_broker_that_cannot_be_measured_changes_no_replica_count(world: World):
    """A broken metric must never scale a busy actor to zero."""
    world.depth(4)
    world.serve()
    for _ in range(20):
        world.step(5)
        world.pool.observe_trouble("the broker is away")
    assert world.counts == (2, 2)
    assert (world.pool.status().status, world.pool.status().message) == ("Degraded", "the broker is away")


def test_the_cap_of_this_machine_is_said_when_it_matters(tmp_path: Path):
    """And only then."""
    world = World(tmp_path, cap=2)
    world.depth(3)
    assert (world.counts[0], world.pool.status().message) == (2, "")
    world.step(5)
    world.depth(100)
    assert world.counts[0] == 2
    assert world.pool.status().message.startswith("capped at 2 replicas on this machine (declared maximum 10)")


def test_without_scaling_the_replica_count_is_fixed(tmp_path: Path):
    """From the start and whatever the depth."""
    world = World(tmp_path, scaling={"enabled": False})
    world.step()
    assert world.counts == (1, 1)
    for _ in range(10):
        world.step(10)
        world.depth(50)
    assert world.counts == (1, 1)


def test_a_changed_actor_gets_new_replicas_and_the_old_ones_drain(tmp_path: Path):
    """A rolling replacement: the new one starts, the old one is asked to end."""
    world = World(tmp_path, scaling={"enabled": False}, obeys=False)
    world.step()
    old = world.launcher.running("sidecar")[0]
    world.pool.follow(make_plan(tmp_path, scaling={"enabled": False}, handler="m.g"))
    world.step(1)
    assert old.signals == ["TERM"]
    assert len(world.launcher.running("runtime")) == 2
    assert world.launcher.running("runtime")[1].spec.env["ASYA_HANDLER"] == "m.g"


def test_an_equal_plan_disturbs_nothing(tmp_path: Path):
    """A manifest that is saved again without a change."""
    world = World(tmp_path, scaling={"enabled": False})
    world.step()
    world.pool.follow(make_plan(tmp_path, scaling={"enabled": False}))
    world.step(1)
    assert len(world.launcher.started) == 2


def test_figures_are_summed_over_lives_and_replicas(world: World):
    """Two replicas, one sidecar dies in between."""
    world.depth(4)
    world.serve(done=3)
    world.launcher.running("sidecar")[0].exit_code = 1
    world.step()
    world.step(1)
    world.serve(done=1, which=0)
    assert world.pool.status().done == 7


def test_folder_names_stay_short_and_do_not_collide():
    """Socket paths are limited to about 107 bytes."""
    first, second = socket_folder_name("a" * 62 + "b", 10), socket_folder_name("a" * 62 + "c", 10)
    assert first != second
    assert len(first) <= 27


def test_what_is_delayed_waits_except_fan_ins_own_timers():
    """An envelope that is tried again later is queued work; a timer is nothing that anybody has sent."""
    depth = Depth(ready=1, in_flight=1, delayed=3)
    assert (depth.queued("ocr"), depth.queued(names.FAN_IN)) == (4, 1)
