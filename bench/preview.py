"""What the graph of a program with many actors costs: CPU and memory of its preview, with mocks in the engine's place.

Each size runs in a process of its own, whose largest resident size is read at its end, once with Python's garbage collector and
once without. The mocks answer at once, so what is
measured is the program, our components and Pulumi's own SDK.
"""

import gc
import json
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

from bench.figures import Bound, Report

STEPS: Final = (1, 125, 250, 500)
LINEAR: Final = Bound(1.5, source="one actor more must cost the same at the end as at the start")
LIMIT_S: Final = 600.0


def measure(report: Report) -> None:
    """Preview programs of growing size."""
    found = {(actors, collect): run(actors, collect=collect) for collect in (True, False) for actors in STEPS}
    for actors in STEPS:
        one = found[actors, True]
        report.add(f"{actors} actors, preview", one["seconds"], "s of CPU", None, f"{one['resources']:.0f} resources")
        report.add(f"{actors} actors, memory", one["mib"], "MiB")
    first, last = STEPS[0], STEPS[-1]
    grown = found[last, True]["mib"] - found[first, True]["mib"]
    report.add("an actor more, memory", 1024 * grown / (last - first), "KiB")
    costs = [
        (found[after, False]["seconds"] - found[before, False]["seconds"]) / (after - before)
        for before, after in pairwise(STEPS)
    ]
    report.add("an actor more, preview without Python's collector", 1000 * costs[-1], "ms of CPU")
    note = "with the collector, which looks at all that lives again and again, it grows"
    report.add("the same at the end, against the start", costs[-1] / costs[0], "times", LINEAR, note)


def run(actors: int, *, collect: bool) -> dict[str, float]:
    """Preview one program in a process of its own."""
    argv = [sys.executable, "-m", "bench.preview", str(actors), "collect" if collect else "keep"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def preview(actors: int) -> None:
    """Run one program, and say what it cost."""
    from asya_infra import AsyncActor, Scaling
    from tests.support.pulumi_program import on_a_cluster, run_program

    def program() -> None:
        mesh = on_a_cluster()
        for number in range(actors):
            AsyncActor(f"actor-{number}", mesh=mesh, image="a:1", handler="a.b", scaling=Scaling(max_replicas=10))

    began_s = time.process_time()  # of all threads; a busy machine adds nothing
    run = run_program(program, preview=True)
    took_s = time.process_time() - began_s
    peak = next(line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if "VmHWM" in line)
    mib = int(peak.split()[1]) / 1024  # getrusage would count what the parent had before it became this process
    print(json.dumps({"seconds": took_s, "mib": mib, "resources": len(run.resources)}))


if __name__ == "__main__":
    if sys.argv[2] == "keep":
        gc.disable()
    preview(int(sys.argv[1]))
