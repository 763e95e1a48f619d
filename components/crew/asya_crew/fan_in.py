"""The crew's ``fan-in``: joins the children of one fan-out into one envelope with the ordered list of their payloads.

Handler for the runtime, in envelope mode, without validation, in batches. Children are kept in the object store, so that a
kill loses nothing: a redelivered child overwrites itself. One envelope of a group, the *winner*, ends it; when that one is
redelivered it does so again; all others that come later are acknowledged and dropped, but for replayed children of a group that
failed: once the last missing one is here, the group is joined after all. The envelope that opened a group starts a timer, which
is an envelope to ourselves with a delay.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, ParamSpec, TypeVar

from asya_crew.group_store import GroupStore
from asya_crew.groups import LACKS, MOST_LACKS, Entry, Group, Verdict, read_entry
from asya_crew.settings import FAIL, PARTIAL, FanInSettings
from asya_protocol import names
from asya_protocol.envelope import parent_of, read_lineage
from asya_protocol.partial import CHILDREN_MISSING

logger = logging.getLogger("asya.crew")

Envelope = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")
Output = Envelope | list[Envelope] | Exception | None

REMEMBERED: Final = 1000
"""Groups whose state is kept in memory as well, so that a child costs one write and no read."""
LOOK_AGAIN_S: Final = 1.0
"""What other replicas added to a group is looked for at most this often, and when the timer rings."""
LOOK, TIDY = "look", "tidy"
LOOK_EVERY_S: Final = 30.0
"""The timer rings so often until the group is over: two replicas that each saw a half of it find the whole."""
NAMED: Final = 20
"""Missing children that an error names."""
TIDY_AFTER_S: Final = 900.0
"""A winner is redelivered within minutes if at all; until then its children must be there."""


class FanIn:
    """Collects envelopes of many groups."""

    def __init__(self, groups: GroupStore, settings: FanInSettings, clock: Callable[[], float] = time.time) -> None:
        self._groups = groups
        self._settings = settings
        self._clock = clock
        self._known: OrderedDict[str, tuple[Group, float]] = OrderedDict()
        self._over: OrderedDict[str, str] = OrderedDict()

    def handle(self, envelopes: list[Envelope]) -> list[Output]:
        """Take envelopes, and return for each what is to be sent: nothing, a joined envelope, a failed one, a timer.

        An envelope that fails has its exception in its place; the others are not affected.
        """
        arrivals = [_own(self._arrive, envelope) for envelope in envelopes]
        brought = {
            place: (arrival.entry, envelope.get("payload"))
            for place, (arrival, envelope) in enumerate(zip(arrivals, envelopes, strict=True))
            if not isinstance(arrival, Exception) and arrival.entry is not None and arrival.brings
        }
        failures = dict(zip(brought, self._groups.keep(brought.values()), strict=True))
        outputs: list[Output] = []
        for place, (arrival, envelope) in enumerate(zip(arrivals, envelopes, strict=True)):
            if isinstance(arrival, Exception):
                outputs.append(arrival)
            elif (failure := failures.get(place)) is not None:
                outputs.append(failure)
            else:
                outputs.append(_own(self._one, arrival, envelope))
        return outputs

    def _arrive(self, envelope: Envelope) -> "_Arrival":
        entry = read_entry(envelope.get("headers") or {})
        if entry is not None and entry.brings:
            entry = replace(entry, place=_place(envelope["route"]))
        late = entry is not None and self._is_over(entry)
        again = (
            late
            and entry is not None
            and entry.brings
            and _is_replay(envelope)
            and self._groups.has_failed(entry.group)
        )
        return _Arrival(entry, late=late and not again, again=again)

    def _one(self, arrival: "_Arrival", envelope: Envelope) -> Output:
        entry = arrival.entry
        if entry is None:
            return {**_onward(envelope, ()), "payload": [envelope.get("payload")]}
        if entry.timer == TIDY:
            self._groups.tidy(entry.group)
            return None
        if entry.called_off is not None:
            self._known.pop(entry.group, None)
            return None
        if arrival.again:
            return self._rejoin(entry, envelope)
        if arrival.late:
            logger.info("group=%s is over: %s came late", entry.group, entry.token)
            return _timer(entry, envelope, TIDY, TIDY_AFTER_S) if entry.timer is not None else None
        return self._judge(entry, envelope, self._clock()) or None

    def _judge(self, entry: Entry, envelope: Envelope, now_s: float) -> list[Envelope]:
        group = self._group(entry, now_s)
        left_s = group.opened_s + self._settings.timeout_s - now_s
        wish = envelope["headers"].get(names.HEADER_ON_MISSING)
        partial = wish == PARTIAL if wish in (FAIL, PARTIAL) else self._settings.partial
        verdict = group.judge(partial=partial, late=left_s <= 0)
        winds_timer = entry.timer is not None or entry.token == group.opener
        if verdict is Verdict.WAIT:
            return [_timer(entry, envelope, LOOK, min(max(left_s, 1.0), LOOK_EVERY_S))] if winds_timer else []
        self._known.pop(entry.group, None)
        timer = [_timer(entry, envelope, TIDY, TIDY_AFTER_S)] if winds_timer else []
        if not self._groups.win(entry.group, entry.token):
            return timer
        _remember(self._over, entry.group, entry.token)
        if verdict is Verdict.FAIL:
            self._groups.fail(entry.group)
        return timer if verdict is Verdict.SILENCE else [self._end(verdict, entry, group, envelope), *timer]

    def _rejoin(self, entry: Entry, envelope: Envelope) -> list[Envelope] | None:
        """Join a group that had failed, where a replayed child was the last that it lacked."""
        group = self._groups.load(entry, self._clock())
        group.add(entry)
        if group.judge(partial=False, late=False) is not Verdict.JOIN or not self._groups.rejoin(
            entry.group, entry.token
        ):
            return None
        return [self._end(Verdict.JOIN, entry, group, envelope), _timer(entry, envelope, TIDY, TIDY_AFTER_S)]

    def _is_over(self, entry: Entry) -> bool:
        """Whether another envelope has ended the group; asks the store where another process may have done so."""
        winner = self._over.get(entry.group)
        if winner is None and not self._is_fresh(entry, self._clock()):
            winner = self._groups.winner(entry.group)
            if winner is not None:
                _remember(self._over, entry.group, winner)
        return winner is not None and winner != entry.token

    def _is_fresh(self, entry: Entry, now_s: float) -> bool:
        known = self._known.get(entry.group)
        return known is not None and entry.timer is None and now_s - known[1] < LOOK_AGAIN_S

    def _group(self, entry: Entry, now_s: float) -> Group:
        fresh = self._is_fresh(entry, now_s)
        known = self._known.pop(entry.group, None)
        if known is None or not fresh:
            known = self._groups.load(entry, now_s), now_s
        if entry.timer is None:
            known[0].add(entry)
        _remember(self._known, entry.group, known)
        return known[0]

    def _end(self, verdict: Verdict, entry: Entry, group: Group, envelope: Envelope) -> Envelope:
        payloads = self._groups.payloads(entry.group, group.here)
        # The children's parent goes on under its own id: that is the one which its sender knows.
        outer = _with_lacks(entry.outer, group.incomplete)
        made = {**_onward(self._at_its_place(entry, group, envelope), outer), "id": entry.opener, "payload": payloads}
        made.pop("parent_id", None)
        made["headers"] = _as_opener(entry, made["headers"])
        if names.HEADER_LINEAGE in made["headers"]:
            made["parent_id"] = parent_of(entry.opener)
        if entry.trace is not None:
            made["headers"][names.HEADER_LINKS] = self._groups.traces(entry.group, group.here)
        if group.incomplete:
            made["headers"][names.HEADER_MISSING] = group.incomplete
        if verdict is Verdict.FAIL:
            message = _explain(group)
            made["headers"][names.HEADER_FAILED] = message
            details = {"type": CHILDREN_MISSING, "message": message}
            made["payload"] = {"error": "processing_error", "details": details, "original_payload": payloads}
        return made

    def _at_its_place(self, entry: Entry, group: Group, envelope: Envelope) -> Envelope:
        """Move a notice to where the children came: which of several fan-ins that is, a hop before them can but guess."""
        place = None if entry.brings else self._groups.place(entry.group, group.here)
        route = envelope["route"]
        if place is None or route["actors"][place : place + 1] != [names.FAN_IN]:
            return envelope
        return {**envelope, "route": {**route, "current": place}}


@dataclass(frozen=True, slots=True)
class _Arrival:
    """An envelope's entry of its group; none for an envelope outside of any fan-out.

    Attributes:
        entry: What it says of its group.
        late: The group is over, and it changes nothing any more.
        again: The group has failed, and this is a replayed child of it.
    """

    entry: Entry | None
    late: bool
    again: bool

    @property
    def brings(self) -> bool:
        return self.entry is not None and self.entry.timer is None and not self.late


def _is_replay(envelope: Envelope) -> bool:
    return names.HEADER_REPLAY in (envelope.get("headers") or {})


def _own(step: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T | Exception:
    try:
        return step(*arguments, **options)
    except Exception as exc:  # noqa: BLE001 - its own failure, not its neighbours'
        return exc


def _remember(kept: OrderedDict[str, T], group: str, value: T) -> None:
    """Cache a group's state, and evict the least recently used groups."""
    kept[group] = value
    kept.move_to_end(group)
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)


def _onward(envelope: Envelope, stack: Sequence[Any]) -> Envelope:
    """Copy an envelope for the actor after this one, with what is left of its stack."""
    route = envelope["route"]
    own = {names.HEADER_FAN_IN, names.HEADER_DELAY}
    headers = {name: value for name, value in (envelope.get("headers") or {}).items() if name not in own}
    if stack:
        headers[names.HEADER_FAN_IN] = list(stack)
    return {**envelope, "route": {**route, "current": route.get("current", 0) + 1}, "headers": headers}


def _place(route: Mapping[str, Any]) -> int | None:
    """Where in its route an envelope came to fan-in; ``None`` where no other place can be meant."""
    return route.get("current", 0) if route["actors"].count(names.FAN_IN) > 1 else None


def _with_lacks(outer: Sequence[Any], lacks: Sequence[int | str]) -> Sequence[Any]:
    """Tell the group around one what is missing in it."""
    if not outer or not lacks:
        return outer
    *rest, around = outer
    known = around.get(LACKS)
    return [*rest, {**around, LACKS: [*(known if isinstance(known, list) else ()), *lacks][:MOST_LACKS]}]


def _as_opener(entry: Entry, headers: Mapping[str, Any]) -> dict[str, Any]:
    """Copy headers of an envelope of a group, marked as what they are of from now on: of the envelope that opened it."""
    lineage = read_lineage(headers)
    if entry.index is not None:  # a child's, or about one
        lineage = lineage[:-1]
    rest = {name: value for name, value in headers.items() if name != names.HEADER_LINEAGE}
    return {**rest, names.HEADER_LINEAGE: list(lineage)} if lineage else rest


def _explain(group: Group) -> str:
    missing = [f"{index} ({reason})" for index, reason in sorted(group.missing.items())]
    of = "an unknown number" if group.count is None else str(group.count)
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return f"{len(group.here)} of {of} children came; missing: {', '.join(missing[:NAMED]) or 'unknown'}{more}"


def _timer(entry: Entry, envelope: Envelope, name: str, delay_s: float) -> Envelope:
    """An envelope to ourselves that comes after a delay."""
    stack = [*entry.outer, {"group": entry.group, "timer": name}]
    headers = _as_opener(entry, envelope["headers"])
    headers.pop(names.HEADER_TRACEPARENT, None)
    headers |= {names.HEADER_FAN_IN: stack, names.HEADER_DELAY: delay_s}
    return {"id": f"{entry.group}/{name}", "route": envelope["route"], "headers": headers, "payload": None}
