"""Metrics of handlers' own: their declarations in ``ASYA_CUSTOM_METRICS``, and the lines of JSON that report values. Pure.

Declarations are Asya 0.1.1's, its cleaning of names included. A line is ours: ``{"name", "value", "labels"?, "type"?,
"help"?}``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram"]

DEFAULT_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Prometheus' own, which Asya 0.1.1 takes where a declaration has none."""
NAME: Final = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*\Z")
LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
RESERVED_LABELS: Final = frozenset({"le", "quantile"})
MOST_LABELS: Final = 10
LONGEST_VALUE: Final = 128
"""Characters of a label's value; more are an id or a text, and no kind of thing."""


class LineRefused(Exception):
    """A line cannot be taken.

    Attributes:
        reason: Word for ``custom_metrics_refused_total``.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of ``ASYA_CUSTOM_METRICS``; another kind than those three is passed over, as in Asya 0.1.1."""

    name: str
    type: str
    help: str = ""
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


class _Line(msgspec.Struct, frozen=True):
    name: str
    value: float
    labels: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
    type: Kind | None = None
    help: str = ""
    envelope_id: str = ""


@dataclass(frozen=True, slots=True)
class Reported:
    """A value that a handler reports.

    Attributes:
        name: As Prometheus takes it.
        value: Finite, as every number in JSON; what Python writes as NaN is none.
        labels: By name.
        kind: Where the line says it.
        help: The same.
        envelope_id: Whose call reports it; empty where that is not known.
    """

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: Kind | None = None
    help: str = ""
    envelope_id: str = ""


_DECLARATIONS: Final = msgspec.json.Decoder(tuple[Declared, ...])
_LINE: Final = msgspec.json.Decoder(_Line)


def clean_name(name: str) -> str:
    """Make a name as Asya 0.1.1 does: other characters become ``_``, and a leading digit gets one in front."""
    cleaned = re.sub(r"[^A-Za-z0-9_:]", "_", name)
    return f"_{cleaned}" if cleaned[:1].isdigit() else cleaned


def read_declarations(text: str) -> tuple[Declared, ...]:
    """Read ``ASYA_CUSTOM_METRICS``; empty is none.

    Raises:
        ValueError: It is no array of declarations, or one cannot be a metric.
    """
    if not text:
        return ()
    try:
        found = _DECLARATIONS.decode(text)
    except msgspec.MsgspecError as exc:
        raise ValueError(f"must be a JSON array of metrics: {exc}") from None
    for each in found:
        if not each.name:
            raise ValueError("a metric has an empty name")
        _check_labels(each.labels)
        if list(each.buckets) != sorted(set(each.buckets)):
            raise ValueError(f"{each.name}: buckets must grow")
    return found


def read_line(line: bytes) -> Reported:
    """Read one line; the runtime adds ``envelope_id`` to what a handler logs.

    Raises:
        LineRefused: It cannot be taken; says why.
    """
    try:
        found = _LINE.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise LineRefused("line", f"it is not {{'name', 'value', ...}} in JSON: {exc}") from None
    if not NAME.match(found.name):
        raise LineRefused("name", f"{found.name[:LONGEST_VALUE]!r} is no name of a metric: letters, digits, _ and :")
    try:
        _check_labels(tuple(found.labels))
    except ValueError as exc:
        raise LineRefused("labels", f"{found.name}: {exc}") from None
    labels = {name: _text(value) for name, value in found.labels.items()}
    long = next((name for name, value in labels.items() if len(value) > LONGEST_VALUE), None)
    if long is not None:
        raise LineRefused("labels", f"{found.name}: label {long} is longer than {LONGEST_VALUE} characters")
    return Reported(found.name, found.value, labels, found.type, found.help, found.envelope_id)


def _check_labels(labels: tuple[str, ...]) -> None:
    if len(labels) > MOST_LABELS:
        raise ValueError(f"more than {MOST_LABELS} labels")
    for each in labels:
        if not LABEL.match(each) or each.startswith("__") or each in RESERVED_LABELS:
            raise ValueError(f"{each[:LONGEST_VALUE]!r} is no name of a label")


def _text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
