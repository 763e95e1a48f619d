"""This tree beside another one: the same measures in both, in turns and in one run: a busy machine meets both alike.

``python -m bench --only sides --against ../other-tree``; the other side is a checkout with its own ``.venv`` (``git worktree
add ../other-tree COMMIT``, then ``make setup`` there). Ratios are medians of the rounds; ``bench/history.md`` keeps them.
"""

import json
import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.brokers import RabbitMqServer
from bench.figures import Bound, Report
from bench.run import ROOT

PROGRAM: Final = ROOT / "bench" / "one_side.py"
LIMIT_S: Final = 600.0
KINDS: Final = ("classic", "quorum")


@dataclass(frozen=True, slots=True)
class Target:
    """What a ratio of two sides must reach.

    Attributes:
        measure: Of ``one_side``.
        figure: Its figure.
        name: For people.
        bounds: By kind of queue; this side's figure divided by the other's.
    """

    measure: str
    figure: str
    name: str
    bounds: Mapping[str, Bound]


SOURCE: Final = "issue of the speed: its targets against the original, as ratios of the build that they were set for"
TARGETS: Final = (
    Target("throughput", "per_s", "envelopes/s", {
        "classic": Bound(2.3, at_least=True, source=SOURCE), "quorum": Bound(2.0, at_least=True, source=SOURCE)}),
    Target("throughput", "sidecar_ms", "CPU of the sidecar per envelope", dict.fromkeys(KINDS, Bound(0.4, source=SOURCE))),
    Target("throughput", "runtime_ms", "CPU of the runtime per envelope", {}),
    Target("throughput", "resident_mib", "memory of sidecar and runtime", dict.fromkeys(KINDS, Bound(0.86, source=SOURCE))),
    Target("latency", "p50_ms", "idle latency, p50", {
        "classic": Bound(0.49, source=SOURCE), "quorum": Bound(0.63, source=SOURCE)}),
    Target("start", "start_s", "start to first output", {}),
    Target("start", "sidecar_cpu_s", "CPU of the sidecar from its start to its first output",
           {"classic": Bound(0.4, source=SOURCE)}),
)  # fmt: skip


def measure(report: Report, against: Path, *, rounds: int = 3, count: int = 6000, only: Sequence[str] = ()) -> None:
    """Run both sides in turns.

    Args:
        report: Takes both sides' medians and their ratios.
        against: The other tree.
        rounds: Turns of each side.
        count: Envelopes of a run of throughput.
        only: Measures to run; all by default.

    Raises:
        FileNotFoundError: The other tree has no ``.venv``.
        RuntimeError: A side failed; with the end of what it said.
    """
    counts = {"throughput": count, "latency": 300, "start": 5}
    measures = only or tuple(counts)
    report.conditions["against"] = _commit(against)
    with RabbitMqServer() as rabbitmq:
        for kind in KINDS:
            for name in measures:
                if name == "start" and kind != "classic":
                    continue
                ours: list[dict[str, float]] = []
                theirs: list[dict[str, float]] = []
                for _ in range(rounds):
                    theirs.append(_run(against, name, rabbitmq.url, kind, counts[name]))
                    ours.append(_run(ROOT, name, rabbitmq.url, kind, counts[name]))
                for target in TARGETS:
                    if target.measure == name:
                        compare(report, kind, target, ours, theirs)


def compare(
    report: Report, kind: str, target: Target, ours: list[dict[str, float]], theirs: list[dict[str, float]]
) -> None:
    """Add the median of the rounds' ratios, with both sides' medians as its note."""
    mine, other = ([run[target.figure] for run in side] for side in (ours, theirs))
    ratios = [this / that for this, that in zip(mine, other, strict=True)]
    note = (
        f"{statistics.median(mine):.3g} beside {statistics.median(other):.3g}, ratios {min(ratios):.2f} to {max(ratios):.2f}, "
        f"load {max(run['load'] for run in (*ours, *theirs)):.0f}"
    )
    report.add(f"{kind}: {target.name}", statistics.median(ratios), "x", target.bounds.get(kind), note)


def _run(tree: Path, name: str, url: str, kind: str, count: int) -> dict[str, float]:
    python = tree / ".venv" / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(f"{tree} has no .venv: run make setup there")
    done = subprocess.run(
        [str(python), "-P", str(PROGRAM), name, url, kind, str(count)],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{tree}: {name} on {kind} queues ended with {done.returncode}:\n{done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _commit(tree: Path) -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 - whoever has a second tree has git
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or str(tree)
