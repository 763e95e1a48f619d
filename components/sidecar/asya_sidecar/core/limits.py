"""What an envelope asks of its actor's limits, and what its handler told of them. Pure.

Paths read ``headers.NAME`` or ``payload.a.b.0``; the same paths are read in outputs.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from asya_protocol import names
from asya_protocol.envelope import Envelope
from asya_protocol.reply import Item
from asya_sidecar.core.actions import Decision
from asya_sidecar.core.admit import Hop, Work, refuse
from asya_sidecar.core.build import count_of
from asya_sidecar.core.waits import come_again
from asya_store.limits.rule import Ask, Rule


def asks_of(work: Work, hop: Hop) -> tuple[Ask, ...] | Decision:
    """Read what an envelope asks of the limits that its actor names.

    Returns:
        One for each limit, or the decision for an envelope that asks for what no limit could ever grant.
    """
    reader = _Reader(work.envelope)
    asks: list[Ask] = []
    for rule in hop.limits:
        cost = _cost(rule, reader)
        if isinstance(cost, str):
            return refuse(work.envelope, hop, f"Limit {rule.name!r}: {cost}", "limit")
        asks.append(Ask(rule, _key(reader.at(rule.key)) if rule.key else "", cost))
    return tuple(asks)


def wait(work: Work, hop: Hop, delay_s: float, cause: str, now: datetime) -> Decision:
    """Let an envelope come again, at no cost, and count that it did."""
    told = {names.HEADER_WAITS: count_of(work.envelope.headers, names.HEADER_WAITS) + 1 if has_waited(work) else 1}
    return come_again(work, hop, delay_s, cause, now, result="limited", told=told)


def has_waited(work: Work) -> bool:
    """Whether an envelope has waited for a limit at this hop before."""
    return names.HEADER_WAITS in work.envelope.headers


def spent_in(items: Iterable[Item], rules: Sequence[Rule]) -> dict[str, float]:
    """Sum up by limit what outputs say that they did cost; limits of which none says it are left out."""
    asked = [rule for rule in rules if rule.spent]
    spent: dict[str, float] = {}
    if asked:
        for item in items:
            reader = _Reader(item)
            for rule in asked:
                amount = reader.at(rule.spent)
                if _is_amount(amount):
                    spent[rule.name] = spent.get(rule.name, 0.0) + amount
    return spent


def added(spent: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    """Add up what parts of an output did cost."""
    return {name: spent.get(name, 0.0) + more.get(name, 0.0) for name in {**spent, **more}}


class _Reader:
    """Reads paths; a payload is decoded when one leads into it."""

    def __init__(self, source: Envelope | Item) -> None:
        self._source = source
        self._payload: Any = msgspec.UNSET

    def at(self, path: str) -> Any:  # noqa: ANN401 - whatever JSON is there
        part, *rest = path.split(".")
        if part == "headers":
            headers = self._source.headers or {}
            return headers.get(".".join(rest))
        if self._payload is msgspec.UNSET:
            self._payload = msgspec.json.decode(self._source.payload)
        found = self._payload
        for name in rest:
            if isinstance(found, dict):
                found = found.get(name)
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                return None
        return found


def _key(value: object) -> str:
    """A key of any JSON value; what is missing shares the key of all that have none."""
    return "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _cost(rule: Rule, reader: _Reader) -> float | str:
    """What an envelope will cost, or why nobody can say."""
    if not rule.cost:
        return 0.0
    found = reader.at(rule.cost) if isinstance(rule.cost, str) else rule.cost
    if not _is_amount(found):
        shown = "is missing" if found is None else f"is {msgspec.json.encode(found).decode()[:60]}"
        return f"{rule.cost} {shown}; its cost must be a number of 0 or more"
    if rule.tokens_per_minute is not None and found > rule.tokens_per_minute:
        return f"a cost of {found:g} is more than the {rule.tokens_per_minute:g} that a minute allows"
    return float(found)


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
