"""Replicas of actors as real processes - a sidecar and a runtime each - restarted as a kubelet would, and killed at will."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lab.installs.previous_release import THIS, Release
from lab.waits import wait_until

Part = Literal["sidecar", "runtime"]
STOP_TIMEOUT_S = 90.0


@dataclass(slots=True)
class Replica:
    """One sidecar and one runtime with a socket folder between them."""

    actor: str
    folder: Path
    environ: Mapping[str, str]
    environ_of: dict[Part, Mapping[str, str]] = field(default_factory=dict)
    """For a part whose environment differs."""
    release_of: dict[Part, Release] = field(default_factory=dict)
    """For a part that is to be of another release than this checkout's, from its next start on."""
    processes: dict[Part, subprocess.Popen[bytes]] = field(default_factory=dict)
    lives: int = 0

    @property
    def started(self) -> bool:
        """Whether the present sidecar consumes."""
        return self.log("sidecar").count("sidecar started") >= self.lives

    def keep_up(self) -> None:
        """Start whatever does not run."""
        parts: tuple[Part, ...] = ("runtime", "sidecar")
        for part in parts:
            process = self.processes.get(part)
            if process is None or process.poll() is not None:
                self.lives += part == "sidecar"
                with (self.folder / f"{part}.log").open("ab") as log:
                    self.processes[part] = subprocess.Popen(
                        self._argv(part),
                        env=dict(self.environ_of.get(part, self.environ)),
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )

    def _argv(self, part: Part) -> list[str]:
        release = self.release_of.get(part, THIS)
        return [str(release.python), *([str(release.runtime)] if part == "runtime" else ["-m", "asya_sidecar"])]

    def kill(self, part: Part) -> None:
        """End a part at once."""
        self.processes[part].kill()
        self.processes[part].wait()

    def terminate(self) -> int:
        """Drain the sidecar, then end the runtime; returns the sidecar's exit code."""
        sidecar, runtime = self.processes["sidecar"], self.processes["runtime"]
        sidecar.send_signal(signal.SIGTERM)
        code = sidecar.wait(STOP_TIMEOUT_S)
        runtime.send_signal(signal.SIGTERM)
        runtime.wait(STOP_TIMEOUT_S)
        return code

    def log(self, part: Part) -> str:
        """What a part has logged so far, over all its lives."""
        path = self.folder / f"{part}.log"
        return path.read_text(errors="replace") if path.exists() else ""


class Fleet:
    """All replicas of one test."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        # Unix socket paths end at about 107 bytes; pytest's own temporary folders can be longer.
        self.folder = Path(tempfile.mkdtemp(prefix="asya-fleet-"))
        self.replicas: list[Replica] = []
        base = {name: value for name, value in os.environ.items() if not name.startswith(("ASYA_", "PYTHON"))}
        self._environ = {**base, **environ}

    def add(self, actor: str, handler: str, count: int = 1, **environ: str) -> None:
        """Add replicas of an actor; ``environ`` goes to both processes."""
        for _ in range(count):
            folder = self.folder / f"{actor}-{len(self.replicas)}"
            settings = {
                **self._environ,
                "ASYA_ACTOR_NAME": actor,
                "ASYA_HANDLER": handler,
                "ASYA_SOCKET_DIR": str(folder),
                "ASYA_METRICS_ADDR": "127.0.0.1:0",
                **environ,
            }
            folder.mkdir(parents=True)
            self.replicas.append(Replica(actor, folder, settings))

    def add_crew(self, store: Path) -> None:
        """Add happy-end and error-end, keeping objects below ``store``."""
        crew = {
            "ASYA_IS_END_ACTOR": "true",
            "ASYA_HANDLER_MODE": "envelope",
            "ASYA_ENABLE_VALIDATION": "false",
            "ASYA_STORE_URL": store.as_uri(),
        }
        self.add("happy-end", "asya_crew.end_handlers.happy_end_handler", 1, **crew)
        self.add("error-end", "asya_crew.end_handlers.error_end_handler", 1, **crew)

    def add_fan_in(self, store: Path, count: int = 1, **environ: str) -> None:
        """Add the collector, keeping groups below ``store``."""
        collector = {
            "ASYA_HANDLER_MODE": "envelope",
            "ASYA_ENABLE_VALIDATION": "false",
            "ASYA_BATCH_SIZE": "32",
            "ASYA_RETRY_NON_RETRYABLE": "ValueError",
            "ASYA_STORE_URL": store.as_uri(),
        }
        self.add("fan-in", "asya_crew.fan_in_handler.fan_in_handler", count, **{**collector, **environ})

    def keep_up(self) -> None:
        """Start whatever does not run."""
        for replica in self.replicas:
            replica.keep_up()

    def wait_ready(self, timeout_s: float = 200.0) -> None:
        """Wait until every sidecar consumes."""
        wait_until(lambda: all(replica.started for replica in self.replicas), timeout_s, "all consume", self.logs)

    def stop(self) -> None:
        """End everything by recorded pid."""
        processes = [process for replica in self.replicas for process in replica.processes.values()]
        for process in processes:
            if process.poll() is None:
                process.kill()
        for process in processes:
            process.wait()

    def remove(self) -> None:
        """End everything and remove the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self, last_bytes: int = 1500) -> str:
        """The end of every log, for a failure's message."""
        parts: tuple[Part, ...] = ("sidecar", "runtime")
        return "\n".join(
            f"--- {replica.folder.name} {part}\n{replica.log(part)[-last_bytes:]}"
            for replica in self.replicas
            for part in parts
        )
