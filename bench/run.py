"""One run of N no-op jobs, as the process that does it reports it: a line of JSON on stdout."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

ROOT: Final = Path(__file__).resolve().parents[1]
LIMIT_S: Final = 300.0
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Run:
    """What a run took.

    Attributes:
        jobs: How many were done.
        enqueue_s: Seconds that enqueueing all of them took; 0 where nothing is enqueued.
        took_s: Seconds from the first job to the last.
        cpu_s: CPU seconds of the working processes meanwhile; a broker's are not among them.
        resident_mib: Resident memory of the working processes at the end.
    """

    jobs: int
    enqueue_s: float
    took_s: float
    cpu_s: float
    resident_mib: float

    @property
    def per_s(self) -> float:
        """Jobs per second."""
        return self.jobs / self.took_s

    def say(self) -> None:
        """Print it for ``run_apart``."""
        print(json.dumps(asdict(self)), flush=True)


class Meter:
    """The no-op job itself, which notes when the first of them ran, and says what the run took when the last did."""

    def __init__(self, jobs: int, on_last: Callable[[], object]) -> None:
        self._jobs = jobs
        self._on_last = on_last
        self._done = 0
        self._first_s = self._cpu_s = 0.0
        self.enqueue_s = 0.0

    def job(self) -> None:
        """Do nothing; the last one prints the run and calls ``on_last``."""
        self._done += 1
        if self._done == 1:
            self._first_s, self._cpu_s = time.perf_counter(), time.process_time()
        if self._done != self._jobs:
            return
        run = Run(
            self._jobs,
            self.enqueue_s,
            time.perf_counter() - self._first_s,
            time.process_time() - self._cpu_s,
            resident_mib(),
        )
        run.say()
        self._on_last()


def resident_mib(*pids: int) -> float:
    """Resident memory of this process and of others."""
    processes = [psutil.Process(), *map(psutil.Process, pids)]
    return float(sum(process.memory_info().rss for process in processes)) / MIB


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def run_apart(module: str, *arguments: str) -> Run:
    """Run a module in a process of its own, so that no run inherits another's memory or threads.

    Raises:
        RuntimeError: It failed; with the end of what it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"jobs"')]
    if done.returncode != 0 or not lines:
        raise RuntimeError(f"{module} {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return Run(**json.loads(lines[-1]))
