"""Figures, the bounds that they are held to, and how both are printed and kept. Pure but for ``Report.save``."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

KEPT: Final = Path(__file__).resolve().parents[1] / ".artifacts" / "bench.json"
SECTION: Final = "design, section 7"
_LOAD: Final = os.getloadavg()[0]
"""Of the last minute before this process: what others did on the machine."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit for a figure.

    Attributes:
        limit: In the figure's unit.
        at_least: Whether more is better; else less is.
        source: Where it comes from, for people.
        quoted: It rests on a figure of another system that was read, not measured in this run.
    """

    limit: float
    at_least: bool = False
    source: str = ""
    quoted: bool = False

    def verdict(self, value: float) -> str:
        """Say ``ok``, or by what factor the bound is missed."""
        if value >= self.limit if self.at_least else value <= self.limit:
            return "ok"
        worse, better = (self.limit, value) if self.at_least else (value, self.limit)
        return f"missed by factor {worse / better:.2f}" if better > 0 else "missed"

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}{' (quoted)' if self.quoted else ''}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Attributes:
        name: What it is.
        value: In its unit; ``None`` when this run could not measure it.
        unit: For people.
        bound: What it is held to.
        note: What a reader has to know about it, or why there is no value.
    """

    name: str
    value: float | None
    unit: str
    bound: Bound | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """What its bound says; empty without one."""
        if self.bound is None:
            return ""
        return "not measured" if self.value is None else self.bound.verdict(self.value)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least so many percent of all values do not exceed."""
    if not values:
        raise ValueError("no values were measured")
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100).__trunc__() - 1)]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Fit a line through points and return how much y grows per x, for "what does one more cost"."""
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows in columns, the first row being the head; numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(cells: Sequence[str]) -> str:
        placed = [
            cell.rjust(width) if cell[:1].isdigit() or cell[:2] in {"<=", ">="} else cell.ljust(width)
            for cell, width in zip(cells, widths, strict=True)
        ]
        return "  ".join(placed).rstrip()

    return "\n".join([line(rows[0]), line(["-" * width for width in widths]), *map(line, rows[1:])])


@dataclass(slots=True)
class Report:
    """What one program measured."""

    name: str
    conditions: dict[str, object] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, value: float | None, unit: str, bound: Bound | None = None, note: str = "") -> None:
        """Take a figure, and show it at once."""
        figure = Figure(name, value, unit, bound, note)
        self.figures.append(figure)
        against = f"  (bound {bound}: {figure.verdict})" if bound else ""
        print(f"  {name}: {show(value)} {unit}{against}", flush=True)

    @property
    def missed(self) -> list[Figure]:
        """The figures that miss their bound."""
        return [figure for figure in self.figures if figure.verdict.startswith("missed")]

    def print(self) -> None:
        """Print every figure beside its bound, then what was missed and by how much."""
        rows = [["figure", "value", "unit", "bound", "verdict"]]
        rows += [[f.name, show(f.value), f.unit, str(f.bound or ""), f.verdict] for f in self.figures]
        print(f"\n{self.name}\n{table(rows)}", flush=True)
        for figure in self.missed:
            print(f"{figure.name}: {figure.verdict}; docs/performance.md says what was tried and what the limit is")

    def document(self) -> dict[str, object]:
        """Return it as JSON."""
        figures: list[dict[str, object]] = []
        for each in self.figures:
            bound = each.bound
            more = {"bound": str(bound), "source": bound.source, "verdict": each.verdict} if bound else {}
            figures.append({"name": each.name, "value": each.value, "unit": each.unit, "note": each.note, **more})
        return {"host": host(), "conditions": self.conditions, "figures": figures}

    def save(self, path: Path = KEPT) -> Path:
        """Keep it as one section of a JSON file; the sections of other programs stay."""
        path.parent.mkdir(exist_ok=True)
        sections = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**sections, self.name: self.document()}, indent=1) + "\n")
        return path


def host() -> dict[str, object]:
    """Say where and when: figures mean nothing without."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "load_before": round(_LOAD, 2),
    }


def show(value: float | None) -> str:
    """Write a number with three figures that matter, or a dash for none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
