"""The replicas of one actor: starts and stops them as scaling asks, and reports their status.

Level-based: ``tick`` compares what is with what should be and takes the next step. No loop, no broker, no clock in here.
"""

import hashlib
import logging
from pathlib import Path
from typing import Final

from asya_local.backoff import RestartPolicy
from asya_local.figures import Backlog, Pace, Reading, Tally
from asya_local.mesh_status import ActorStatus, name_state
from asya_local.missing_package import with_cure
from asya_local.plan import ActorPlan
from asya_local.processes import Launcher, RunningProcess
from asya_local.replica import LOAD_LIMIT_S, Death, Replica, Stage
from asya_local.scaling import NeedHistory, desired_replicas
from asya_protocol import names
from asya_transport.port import Depth

log: Final = logging.getLogger(__name__)

DYING: Final = 2
"""Deaths in a row from which on a process is said to keep dying; one is a kill, a crash, a timeout."""
SLOW_LOAD_S: Final = 20.0
"""A handler that takes longer to load is mentioned in the status."""


def socket_folder_name(actor: str, number: int) -> str:
    """Name a replica's socket folder: at most 27 characters, since a whole socket path has room for about 107."""
    return f"{actor[:12]}-{hashlib.sha256(actor.encode()).hexdigest()[:8]}-{number}"


class ActorPool:
    """All replicas of one actor.

    Args:
        plan: What should run.
        run_dir: Folder for the replicas' private socket folders; short, since socket paths are limited.
        logs: Folder of all logs.
        launcher: Starts processes.
    """

    def __init__(
        self, plan: ActorPlan, run_dir: Path, logs: Path, launcher: Launcher, policy: RestartPolicy | None = None
    ) -> None:
        self.plan = plan
        self.replicas: list[Replica] = []
        self.depth = Depth(0)
        self._in_flight = 0
        self.dead_letters = 0
        self.broker_message = ""
        self.unloadable = ""
        """Why its handler could not be loaded, as the last ``up`` found before there was a replica."""
        self.next_poll_s = 0.0
        self._run_dir = run_dir
        self._logs = logs
        self._launcher = launcher
        self._policy = policy or RestartPolicy()
        self._history = NeedHistory()
        self._tally = Tally()
        self._pace = Pace()
        self._backlog = Backlog()
        self._now_s = 0.0
        self._past_restarts = 0
        self._stopping = False
        self._capped = False
        self._reload_asked = False
        self._target = plan.scaling.minimum

    @property
    def name(self) -> str:
        """The actor's name."""
        return self.plan.name

    @property
    def target(self) -> int:
        """Replicas that there should be."""
        return 0 if self._stopping else self._target

    @property
    def empty(self) -> bool:
        """Whether no replica is left, ending ones included."""
        return not self.replicas

    @property
    def loaded_files(self) -> list[Path]:
        """What its runtimes have loaded, where it may be edited and no reload is under way."""
        edited = self.plan.edited and not self._stopping and not self.reloading
        return [replica.loaded_files for replica in self._serving()] if edited else []

    @property
    def reloading(self) -> bool:
        """Whether a runtime has been asked to make room for one with new code."""
        return self._reload_asked or any(replica.runtime.renewing for replica in self._serving())

    def follow(self, plan: ActorPlan) -> None:
        """Take a new plan; replicas of the old one end gently and are replaced, or get new runtimes where that will do."""
        if (plan.digest, plan.content_digest) != (self.plan.digest, self.plan.content_digest):
            self.unloadable = ""
        if plan.digest != self.plan.digest:
            log.info("actor changed", extra={"actor": self.name})
        elif plan.content_digest != self.plan.content_digest:
            self.reload()
        self.plan = plan
        self._stopping = False
        self._set_target(self._target)

    def reload(self) -> None:
        """Reload every handler; running calls end first."""
        log.info("reloading", extra={"actor": self.name, "replicas": len(self._serving())})
        self._reload_asked = True

    def observe_depth(self, now_s: float, depth: Depth) -> None:
        """Take the queue's depth as of now, for the eye and, when a poll is due, for scaling.

        What waits for an actor without a replica is a poll that is due: the depth is known, and somebody waits.
        """
        self.depth = depth
        # A broker that cannot tell what is in flight (RabbitMQ without its management API) must not cost busy replicas. What
        # sidecars take from now on is not added: it is among what is ready here.
        active = sum(replica.reading.active for replica in self.replicas if replica.reading is not None)
        self._in_flight = max(depth.in_flight, active)
        self.broker_message = ""
        self._backlog.add(now_s, self._tally.received, depth.ready)
        if now_s < self.next_poll_s and not (self._target == 0 and depth.ready):
            return
        scaling = self.plan.scaling
        self.next_poll_s = now_s + scaling.polling_s
        if scaling.fixed is not None:
            self._say_cap(scaling.declared_max)
            self._set_target(scaling.fixed)
            return
        wanted = desired_replicas(
            in_flight=self._in_flight,
            total=depth.ready + self._in_flight,  # what is delayed needs nobody yet: a timer may run for an hour
            concurrency=scaling.concurrency,
            queue_length=scaling.queue_length,
            minimum=scaling.minimum,
            maximum=scaling.declared_max,
        )
        self._say_cap(wanted)
        self._history = self._history.add(now_s, min(wanted, scaling.maximum), scaling.cooldown_s)
        self._set_target(self._history.target)

    def observe_trouble(self, message: str) -> None:
        """Note that the queue could not be measured; the replica count stays as it is."""
        self.broker_message = message

    def observe_metrics(self, replica: Replica, reading: Reading) -> None:
        """Take one sidecar's metrics."""
        self._tally.add(replica.observe(reading), reading)

    def stop(self) -> None:
        """Let every replica end, busy ones after they have drained."""
        self._stopping = True

    def kill(self) -> None:
        """End every replica at once."""
        self._stopping = True
        for replica in self.replicas:
            replica.kill()

    def tick(self, now_s: float) -> None:
        """Take the next step towards what should be."""
        self._now_s = now_s
        self._pace.add(now_s, self._tally.done + self._tally.failed, self._tally.calls)
        if self._reload_asked:
            self._reload_asked = False
            for replica in self._serving():
                replica.renew_runtime(now_s)
        for replica in self.replicas:
            for death in replica.tick(now_s):
                self._say_death(replica, death)
        for replica in [replica for replica in self.replicas if replica.stage is Stage.GONE]:
            self._past_restarts += replica.runtime.restarts + replica.sidecar.restarts
            self.replicas.remove(replica)
        for replica in self._serving():
            if self._stopping or replica.plan.digest != self.plan.digest:
                replica.stop(now_s)
        self._scale(now_s)

    def processes(self) -> list[tuple[str, RunningProcess]]:
        """Every process of every replica, with its role."""
        children = [child for replica in self.replicas for child in (replica.sidecar, replica.runtime)]
        return [(child.spec.role, child.process) for child in children if child.process is not None]

    def status(self) -> ActorStatus:
        """Say how it is."""
        serving = self._serving()
        ready = sum(replica.ready for replica in serving)
        dying_runtime = next((replica for replica in serving if replica.runtime.failures >= DYING), None)
        dying_sidecar = next((replica for replica in serving if replica.sidecar.failures >= DYING), None)
        message = self.broker_message
        if ready:
            self.unloadable = ""
        if dying_runtime is not None:
            message = with_cure(dying_runtime.runtime.last_words, self.plan.python, self.plan.cwd)
        elif dying_sidecar is not None:
            message = dying_sidecar.sidecar.last_words
        elif self.unloadable:
            message = f"{self.unloadable} (as asya local up found it; the next envelope tries again)"
        elif not message and self._capped:
            message = self._cap_text()
        if not message:
            message = self._loading_text()
        if not message and self.dead_letters:
            message = f"{self.dead_letters} in {names.dlq_name(self.plan.queue)}"
        p50_s, p99_s, oldest_s = self._pace.p50_s, self._pace.p99_s, self._backlog.oldest_s(self._now_s)
        return ActorStatus(
            name=self.name,
            status=name_state(
                ready=ready,
                present=len(serving),
                desired=self.target,
                runtime_fails=dying_runtime is not None or bool(self.unloadable),
                trouble=dying_sidecar is not None or bool(self.broker_message),
            ),
            replicas=ready,
            desired=self.target,
            min=self.plan.scaling.minimum,
            max=self.plan.scaling.maximum,
            queued=self.depth.queued(self.name),
            in_flight=self._in_flight,
            done=self._tally.done,
            failed=self._tally.failed,
            restarts=self._past_restarts + sum(r.runtime.restarts + r.sidecar.restarts for r in self.replicas),
            message=message,
            rate=round(self._pace.rate, 3),
            p50_s=None if p50_s is None else round(p50_s, 6),
            p99_s=None if p99_s is None else round(p99_s, 6),
            oldest_s=None if oldest_s is None else round(max(oldest_s, 0.0), 1),
            python=str(self.plan.python),
        )

    def _serving(self) -> list[Replica]:
        return [replica for replica in self.replicas if replica.stage is Stage.SERVING]

    def _scale(self, now_s: float) -> None:
        serving = self._serving()
        if self._stopping:
            return
        for _ in range(self.target - len(serving)):
            number = next(n for n in range(1, len(self.replicas) + 2) if n not in {r.number for r in self.replicas})
            replica = Replica(
                self.plan,
                number,
                folder=self._run_dir / socket_folder_name(self.name, number),
                logs=self._logs,
                launcher=self._launcher,
                policy=self._policy,
            )
            self.replicas.append(replica)
            replica.tick(now_s)
        surplus = len(serving) - self.target
        # The youngest go first, and those that do not work yet before those that do; busy ones are spared.
        leaving = sorted((r for r in serving if r.idle), key=lambda replica: (replica.ready, -replica.number))
        for replica in leaving[: max(surplus, 0)]:
            replica.stop(now_s)

    def _set_target(self, wanted: int) -> None:
        scaling = self.plan.scaling
        target = min(max(wanted, scaling.minimum), scaling.maximum)
        if target != self._target:
            log.info("scaling", extra={"actor": self.name, "from": self._target, "to": target})
        self._target = target

    def _say_cap(self, wanted: int) -> None:
        capped = wanted > self.plan.scaling.maximum
        if capped and not self._capped:
            log.warning("capped", extra={"actor": self.name, "wanted": wanted, "cap": self.plan.scaling.maximum})
        self._capped = capped

    def _cap_text(self) -> str:
        scaling = self.plan.scaling
        return (
            f"capped at {scaling.maximum} replicas on this machine (declared maximum {scaling.declared_max}); "
            "raise it with --max-replicas or ASYA_LOCAL_MAX_REPLICAS"
        )

    def _loading_text(self) -> str:
        loading_s = max((replica.loading_s(self._now_s) for replica in self._serving()), default=0.0)
        if loading_s <= SLOW_LOAD_S:
            return ""
        return (
            f"its handler has been loading for {loading_s:.0f} s (after {LOAD_LIMIT_S:.0f} s it is ended and tried again); "
            f"where it stands: asya local logs {self.name}"
        )

    def _say_death(self, replica: Replica, death: Death) -> None:
        log.warning(
            "process died",
            extra={
                "actor": self.name,
                "replica": replica.number,
                "role": death.role,
                "exit_code": death.exit_code,
                "restart_in_s": round(death.pause_s, 3),
            },
        )
