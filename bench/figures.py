"""Figures, the bounds that they are held to, and how both are printed and kept. Pure but for ``Report.save``."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ARTIFACTS: Final = Path(__file__).resolve().parents[1] / ".artifacts"


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit for a figure.

    Attributes:
        limit: In the figure's unit.
        at_least: Whether more is better; else less is.
        source: Where it comes from, for people.
    """

    limit: float
    at_least: bool = False
    source: str = ""

    def verdict(self, value: float) -> str:
        """Say ``ok``, or by what factor the bound is missed."""
        if value >= self.limit if self.at_least else value <= self.limit:
            return "ok"
        worse, better = (self.limit, value) if self.at_least else (value, self.limit)
        return f"missed by factor {worse / better:.2f}" if better > 0 else "missed"

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    name: str
    value: float
    unit: str
    bound: Bound | None = None

    @property
    def verdict(self) -> str:
        """What its bound says; empty without one."""
        return self.bound.verdict(self.value) if self.bound else ""


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
    conditions: Mapping[str, object] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, bound: Bound | None = None) -> None:
        """Take a figure, and show it at once."""
        figure = Figure(name, value, unit, bound)
        self.figures.append(figure)
        against = f"  (bound {bound}: {figure.verdict})" if bound else ""
        print(f"  {name}: {show(value)} {unit}{against}", flush=True)

    def print(self) -> None:
        """Print every figure beside its bound."""
        rows = [["figure", "value", "unit", "bound", "verdict"]]
        rows += [[f.name, show(f.value), f.unit, str(f.bound or ""), f.verdict] for f in self.figures]
        print(f"\n{self.name}\n{table(rows)}", flush=True)

    def save(self, folder: Path = ARTIFACTS) -> Path:
        """Keep it as JSON."""
        folder.mkdir(exist_ok=True)
        path = folder / f"bench-{self.name}.json"
        document = {
            "name": self.name,
            "host": {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()},
            "conditions": dict(self.conditions),
            "figures": [
                {
                    "name": f.name,
                    "value": f.value,
                    "unit": f.unit,
                    **({"bound": str(f.bound), "source": f.bound.source, "verdict": f.verdict} if f.bound else {}),
                }
                for f in self.figures
            ],
        }
        path.write_text(json.dumps(document, indent=1) + "\n")
        return path


def show(value: float) -> str:
    """Write a number with three figures that matter."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
