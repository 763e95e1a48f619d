"""``make bench``: every benchmark after the other, tables to stdout, JSON to ``.artifacts/bench.json``."""

import argparse
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import gateway_calls as gateway
from bench import hop, jobs, overhead, reload, scale, sides, streams
from bench import operator_scale as operator
from bench import preview as infra
from bench.figures import SECTION, Bound, Report

NAMES: Final = ("hop", "jobs", "scale", "reload", "elsewhere")
EXTRA: Final = ("operator", "gateway", "infra", "overhead", "sides", "streams")
"""Only when asked for: they take long, or need parts that take long to build, or another tree, where they are missing."""


def measure_elsewhere(report: Report) -> None:
    """List the bounds that other commands measure, so that ``None`` is forgotten."""
    bounds = (
        ("make demo, fresh machine to first result", "s", Bound(60, source=SECTION), "printed by `make demo`"),
        ("make demo, warm", "s", Bound(10, source=SECTION), "printed by `make demo`"),
        ("gateway, calls kept in Postgres", "/s", Bound(500, at_least=True), "`make bench-gateway`"),
        ("operator, idle CPU with 1,000 actors", "% of a core", Bound(2, source=SECTION), "`make bench-operator`"),
    )
    for name, unit, bound, where in bounds:
        report.add(name, None, unit, bound, where)


def main() -> None:
    """Run what was chosen; a missed bound is printed, and is no failure: the machine may be busy."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="longer runs, for figures that are kept")
    parser.add_argument("--only", default=",".join(NAMES), help=f"some of {','.join(NAMES + EXTRA)}")
    parser.add_argument(
        "--against", type=Path, help="with sides: another checkout, set up by make setup, to compare with"
    )
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what it has started ends with it
    reports: list[Report] = []
    if "sides" in chosen.only.split(",") and chosen.against is None:
        parser.error("sides needs --against TREE")
    measures: dict[str, Callable[[Report], None]] = {
        "hop": lambda report: hop.measure(report, full=chosen.full),
        "jobs": jobs.measure,
        "scale": lambda report: scale.measure(report, full=chosen.full),
        "reload": reload.measure,
        "operator": operator.measure,
        "infra": infra.measure,
        "gateway": gateway.measure,
        "overhead": lambda report: overhead.measure(report, full=chosen.full),
        "sides": lambda report: sides.measure(report, chosen.against.resolve()),
        "streams": streams.measure,
        "elsewhere": measure_elsewhere,
    }
    for name in chosen.only.split(","):
        if name not in measures:
            parser.error(f"{name!r} is none of {', '.join(NAMES + EXTRA)}")
        report = Report(name)
        print(f"\n== {name}", flush=True)
        measures[name](report)
        kept = report.save()
        reports.append(report)
    for report in reports:
        report.print()
    print(f"\nkept in {kept}; python -m bench.page writes the tables of docs/performance.md from it")


if __name__ == "__main__":
    main()
