"""Which alerts one look at figures can tell, in the alerts' own words. Pure.

Alerts whose expression is one gauge against a bound are judged here as Prometheus judges them, less the time for which they
must last. Those over rates or several series need a Prometheus that remembers.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import eq, gt, lt
from typing import Final

from asya_manifest.alerts import ALERTS, Alert

_FORM: Final = re.compile(
    r"(?P<pick>max|min) by \((?P<by>[\w, ]+)\) \((?P<metric>\w+)(?:\{(?P<where>[^}]*)\})?\)(?P<from_now> - time\(\))?"
    r" (?P<sign>==|<|>) (?P<bound>time\(\)|\d+(?: \* \d+)?)"
)
_LABEL: Final = re.compile(r'(\w+)(=~?)"([^"]*)"')
_BLANK: Final = re.compile(r"\{\{ \$(?:labels\.(\w+)|value(?: \| (humanizeDuration))?) \}\}")
_SIGNS: Final[Mapping[str, Callable[[float, float], bool]]] = {"==": eq, "<": lt, ">": gt}
_UNITS: Final = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a series now."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that is true now.

    Attributes:
        alert: Which.
        summary: Its sentence, filled in.
    """

    alert: Alert
    summary: str


def told_at_once(alert: Alert) -> bool:
    """Whether one look can tell an alert."""
    return _FORM.fullmatch(alert.expr) is not None


def firing(samples: Iterable[Sample], now_s: float) -> list[Firing]:
    """Judge every alert that one look can tell.

    Args:
        samples: What was seen, with the names that the alerts ask for.
        now_s: Seconds since 1970.
    """
    seen = tuple(samples)
    return [
        Firing(alert, _filled(alert.summary, labels, value))
        for alert in ALERTS
        for labels, value in _true(alert.expr, seen, now_s)
    ]


def _true(expr: str, samples: tuple[Sample, ...], now_s: float) -> Iterable[tuple[dict[str, str], float]]:
    form = _FORM.fullmatch(expr)
    if form is None:
        return ()
    found: dict[tuple[tuple[str, str], ...], float] = {}
    pick = max if form["pick"] == "max" else min
    for sample in samples:
        if sample.name == form["metric"] and _fits(form["where"] or "", sample.labels):
            key = tuple((name, sample.labels.get(name, "")) for name in form["by"].split(", "))
            found[key] = pick(found.get(key, sample.value), sample.value)
    bound = now_s if form["bound"] == "time()" else _product(form["bound"])
    less = now_s if form["from_now"] else 0.0
    holds = _SIGNS[form["sign"]]
    return [(dict(key), value - less) for key, value in found.items() if holds(value - less, bound)]


def _fits(where: str, labels: Mapping[str, str]) -> bool:
    return all(
        re.fullmatch(wanted, labels.get(name, "")) is not None if sign == "=~" else labels.get(name) == wanted
        for name, sign, wanted in _LABEL.findall(where)
    )


def _product(text: str) -> float:
    made = 1.0
    for factor in text.split(" * "):
        made *= float(factor)
    return made


def _filled(text: str, labels: Mapping[str, str], value: float) -> str:
    def fill(blank: re.Match[str]) -> str:
        if blank[1]:
            return labels.get(blank[1], "")
        return _span(value) if blank[2] else f"{value:g}"

    return _BLANK.sub(fill, text)


def _span(seconds: float) -> str:
    """Write a time for people; what is over is negative, as Prometheus writes it."""
    unit, name = next(((unit, name) for unit, name in _UNITS if abs(seconds) >= 2 * unit), _UNITS[-1])
    return f"{seconds / unit:.0f} {name}"
