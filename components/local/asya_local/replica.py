"""One replica: a sidecar and a runtime that share a socket folder, each kept running by itself.

``tick`` looks at both and does what is due; time is its argument and processes come from a launcher, so that tests run in
virtual time. Stop order: the sidecar is asked first (it drains: finishes or gives back what it holds, then exits 0), the
runtime after it is gone; what has not ended by the end of the grace period is killed.
"""

import enum
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from asya_local.backoff import RestartPolicy
from asya_local.figures import Reading
from asya_local.log_cause import explain_log
from asya_local.plan import LOADED_FILES_NAME, ActorPlan
from asya_local.processes import Launcher, ProcessSpec, RunningProcess
from asya_protocol import names
from asya_protocol.runtime_end import describe_end, encode_end

LOAD_LIMIT_S: Final = 300.0
"""A handler that has not been loaded by then hangs; a pod's startup probe gives up as late."""
RUNTIME_GRACE_S: Final = 5.0
"""Seconds that an idle runtime gets to end after SIGTERM; it has nothing to finish once its sidecar is gone."""


class Stage(enum.Enum):
    """Where a replica is in its life."""

    SERVING = enum.auto()
    DRAINING = enum.auto()
    """The sidecar has been asked to end."""
    CLOSING = enum.auto()
    """The sidecar is gone, the runtime has been asked to end."""
    GONE = enum.auto()


@dataclass(frozen=True, slots=True)
class Death:
    """One process that ended without being asked to.

    Attributes:
        role: ``sidecar`` or ``runtime``.
        exit_code: Negative: the signal that ended it.
        pause_s: Seconds until it is started again.
    """

    role: str
    exit_code: int
    pause_s: float


class Child:
    """One process that is started again when it dies, after a pause that grows with its deaths in a row."""

    def __init__(
        self,
        spec: ProcessSpec,
        launcher: Launcher,
        prepare: Callable[[], None],
        policy: RestartPolicy,
        note_end: Callable[[int], None] = lambda _exit_code: None,
    ) -> None:
        self.spec = spec
        self.process: RunningProcess | None = None
        self.failures = 0
        self.restarts = 0
        self._launcher = launcher
        self._prepare = prepare
        self._note_end = note_end
        self._policy = policy
        self.last_words = ""
        """Why it died last."""
        self._log_start = 0
        self.started_s = 0.0
        self._due_s = 0.0
        self._life = 0
        self.renewing = False

    @property
    def life(self) -> int:
        """Number of its present life, from 1."""
        return self._life

    def keep_running(self, now_s: float) -> Death | None:
        """Start it when that is due; say so when it has died."""
        renewed = False
        if self.process is not None and (exit_code := self.process.poll()) is not None:
            self.process.kill_group()  # what it started must not work on beside its successor
            self.process = None
            self._note_end(exit_code)
            renewed, self.renewing = self.renewing, False
            if not renewed:
                return self._note_death(now_s, exit_code)
        if self.process is not None:
            if self.failures and now_s - self.started_s >= self._policy.healthy_s:
                self.failures = 0
            return None
        if now_s < self._due_s:
            return None
        self._prepare()
        self.started_s = now_s
        self._log_start = self.spec.log.stat().st_size if self.spec.log.exists() else 0
        try:
            self.process = self._launcher.launch(self.spec)
        except OSError:
            return self._note_death(now_s, 127)
        self._life += 1
        self.restarts += 1 if self._life > 1 and not renewed else 0
        return None

    def renew(self) -> None:
        """Have a new life of it: one that runs is asked to end, which is no death; a pause is over."""
        self.forgive()
        if self.process is not None and not self.renewing:
            self.renewing = True
            self.process.terminate()

    def forgive(self) -> None:
        """Forget its deaths, and with them the pause before the next start."""
        self.failures, self._due_s = 0, 0.0

    def _note_death(self, now_s: float, exit_code: int) -> Death:
        lived_s, self.last_words = now_s - self.started_s, self._explain(exit_code)
        self.failures = self._policy.failures_after(self.failures, lived_s=lived_s, exit_code=exit_code)
        pause_s = self._policy.pause_s(self.failures)
        self._due_s = now_s + pause_s
        return Death(self.spec.role, exit_code, pause_s)

    def _explain(self, exit_code: int) -> str:
        """What its log says of this life, and how it ended where that is no plain failure."""
        cause = explain_log(self.spec.log, self._log_start, any_line=False)
        if exit_code == 1 and cause:
            return cause
        end = describe_end(exit_code, f"its {self.spec.role}")
        return f"{end}: {cause}" if cause and exit_code > 0 else end

    def ended(self) -> bool:
        """Whether nothing of it runs; collects its exit code."""
        if self.process is not None and (exit_code := self.process.poll()) is not None:
            self.process.kill_group()
            self.process = None
            self._note_end(exit_code)
        return self.process is None


class Replica:
    """A sidecar and a runtime.

    Attributes:
        number: Number within the actor, never used twice at a time; names the logs.
        folder: Private folder of the socket.
        reading: Latest metrics of the sidecar's present life, ``None`` before the first.
    """

    def __init__(
        self, plan: ActorPlan, number: int, *, folder: Path, logs: Path, launcher: Launcher, policy: RestartPolicy
    ) -> None:
        self.plan = plan
        self.number = number
        self.folder = folder
        self.stage = Stage.SERVING
        self.reading: Reading | None = None
        self._read_life = 0
        self._deadline_s = 0.0
        self._idle_since_s = 0.0
        self.runtime = Child(
            plan.runtime_spec(folder, logs, number), launcher, self._clear_runtime, policy, self._note_end
        )
        self.sidecar = Child(plan.sidecar_spec(folder, logs, number), launcher, self._clear_sidecar, policy)

    @property
    def ready(self) -> bool:
        """Whether it can work: both processes run, the handler is loaded and the sidecar has answered."""
        return (
            self.stage is Stage.SERVING
            and self.runtime.process is not None
            and self.sidecar.process is not None
            and self.reading is not None
            and (self.folder / names.READY_NAME).exists()
        )

    @property
    def idle(self) -> bool:
        """Whether it is known to hold no envelope; a sidecar that does not run or never answered holds none."""
        return self.sidecar.process is None or self.reading is None or self.reading.active == 0

    @property
    def address(self) -> str | None:
        """``host:port`` of the sidecar's endpoints, once it has announced them."""
        try:
            return (self.folder / names.SIDECAR_ADDRESS_NAME).read_text(encoding="utf-8").strip() or None
        except OSError:
            return None

    @property
    def loaded_files(self) -> Path:
        """What the runtime has loaded, as ``observed_runtime`` writes it."""
        return self.folder / LOADED_FILES_NAME

    def loading_s(self, now_s: float) -> float:
        """Seconds for which the runtime has been loading its handler; 0 when it is not."""
        loads = self.runtime.process is not None and not self.runtime.renewing
        return now_s - self.runtime.started_s if loads and not (self.folder / names.READY_NAME).exists() else 0.0

    def observe(self, reading: Reading) -> Reading | None:
        """Take the latest metrics; return the previous ones of the same life, for sums."""
        previous = self.reading if self._read_life == self.sidecar.life else None
        self.reading, self._read_life = reading, self.sidecar.life
        return previous

    def tick(self, now_s: float) -> list[Death]:
        """Do what is due."""
        if self.stage is Stage.SERVING:
            self._end_stuck_renewal(now_s)
            if self.loading_s(now_s) > LOAD_LIMIT_S and self.runtime.process is not None:
                self.runtime.process.kill_group()
            seen = (self.runtime.keep_running(now_s), self.sidecar.keep_running(now_s))
            if self._read_life != self.sidecar.life or self.sidecar.process is None:
                self.reading = None
            return [death for death in seen if death is not None]
        # A runtime that dies while its sidecar drains is started again: the drain may still need it.
        deaths = [death] if self.stage is Stage.DRAINING and (death := self.runtime.keep_running(now_s)) else []
        self._go_on_stopping(now_s)
        return deaths

    def renew_runtime(self, now_s: float) -> None:
        """Reload the handler; a running call ends first, and the sidecar keeps what it holds.

        A replica that is on its way out keeps its runtime.
        """
        if self.stage is Stage.SERVING:
            self._idle_since_s = now_s
            self.runtime.renew()
            self.sidecar.forgive()  # it gives up when a broken runtime stays away

    def stop(self, now_s: float) -> None:
        """Begin to end it, gently."""
        if self.stage is not Stage.SERVING:
            return
        self.stage = Stage.DRAINING
        self._deadline_s = now_s + self.plan.grace_s
        if not self.sidecar.ended() and self.sidecar.process is not None:
            self.sidecar.process.terminate()

    def kill(self) -> None:
        """End it at once."""
        for child in (self.sidecar, self.runtime):
            if child.process is not None:
                child.process.kill_group()
        self.stage, self._deadline_s = Stage.CLOSING, 0.0

    def _end_stuck_renewal(self, now_s: float) -> None:
        """Kill a runtime that was asked to end, has nothing to finish and stays: a thread of the user's may hold it."""
        if not self.idle:
            self._idle_since_s = now_s
        if self.runtime.renewing and self.runtime.process and now_s - self._idle_since_s >= RUNTIME_GRACE_S:
            self.runtime.process.kill_group()

    def _go_on_stopping(self, now_s: float) -> None:
        if self.stage is Stage.DRAINING:
            if self.sidecar.ended():
                self.stage, self._deadline_s = Stage.CLOSING, now_s + RUNTIME_GRACE_S
                if not self.runtime.ended() and self.runtime.process is not None:
                    self.runtime.process.terminate()
            elif now_s >= self._deadline_s and self.sidecar.process is not None:
                self.sidecar.process.kill_group()
        if self.stage is Stage.CLOSING:
            if self.runtime.ended() and self.sidecar.ended():
                self.stage = Stage.GONE
            elif now_s >= self._deadline_s and self.runtime.process is not None:
                self.runtime.process.kill_group()

    def _clear_runtime(self) -> None:
        """Remove what a dead runtime left: the ready file is removed by a clean end only, and would be a lie."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in (names.READY_NAME, names.SOCKET_NAME, LOADED_FILES_NAME):
            (self.folder / name).unlink(missing_ok=True)

        (self.folder / names.END_NAME).touch()  # what it says of an earlier end, the sidecar may still have to read

    def _note_end(self, exit_code: int) -> None:
        """Tell the sidecar, which sees of its runtime's end no more than a closed connection."""
        note = self.folder / names.END_NAME
        partial = note.with_suffix(".new")
        with suppress(OSError):  # a full disk costs the words, not the mesh
            partial.write_bytes(encode_end(exit_code))
            partial.replace(note)

    def _clear_sidecar(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.folder / names.SIDECAR_ADDRESS_NAME).unlink(missing_ok=True)
