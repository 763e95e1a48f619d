"""What a limit's state becomes, and who has to wait for how long. Pure: the clock is an argument.

Calls and costs are counted by the second in which they were let in, and a second counts until a whole minute after its end:
in no minute, wherever it begins, is more let in than the limit says; what may be used again is up to a second late. A place of
``concurrency`` is held under a lease, so that a holder that is killed returns it.

Who has to wait is told a moment of its own, behind those told before, at the pace of the limit: a hundred that wait do not
come back at once. Whoever comes back at that moment (``waited``) goes before whoever comes anew.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from asya_store.limits.rule import Ask

WINDOW_S: Final = 60
LONGEST_WAIT_S: Final = 300.0
"""No wait is longer: who still finds no room waits again, and the state may have changed meanwhile."""
PAUSED_WAIT_S: Final = 30.0
"""How often an envelope looks after a pause that somebody has to end; of one that ends by itself it is told the end."""
LONGEST_PAUSE_S: Final = 900.0
"""Of what a handler asks for."""
SHORTEST_WAIT_S: Final = 0.1
FIRST_HOLD_S: Final = 1.0
"""How long a call is believed to take before one has ended."""
EAGER: Final = 0.5
"""Share of that after which the next in line is told to come: better a vain look than an idle place."""
IDLE_S: Final = 3600.0
"""A state that nobody has touched for so long holds nothing any more."""


class Held(msgspec.Struct, frozen=True):
    """One call under way: when it was let in, until when it is believed, and what it expects to cost."""

    since_s: float
    until_s: float
    cost: float = 0.0


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """One key's state.

    Attributes:
        calls: Calls let in, by second.
        costs: What they cost, by second.
        held: Calls under way, by lease.
        paused_s: Nobody is let in before; a negative one ends when somebody resumes.
        reason: Why, for people.
        line_s: When the last of those who wait was told to come.
        hold_s: How long calls take, a moving mean.
    """

    calls: dict[int, int] = msgspec.field(default_factory=dict)
    costs: dict[int, float] = msgspec.field(default_factory=dict)
    held: dict[str, Held] = msgspec.field(default_factory=dict)
    paused_s: float = 0.0
    reason: str = ""
    line_s: float = 0.0
    hold_s: float = FIRST_HOLD_S

    @property
    def is_blank(self) -> bool:
        """Whether it says nothing that a new one would not."""
        return not (self.calls or self.costs or self.held or self.paused_s)


class Wait(msgspec.Struct, frozen=True):
    """Not now: come again after ``delay_s``, because of the limit ``name``, for ``reason``."""

    delay_s: float
    name: str
    reason: str


def as_of(state: State, now_s: float) -> State:
    """Leave out what has ended, also where the clock was set back: nothing is in the future."""
    now, oldest = int(now_s), int(now_s) - WINDOW_S
    return msgspec.structs.replace(
        state,
        calls=_recent(state.calls, oldest, now),
        costs=_recent(state.costs, oldest, now),
        held={lease: held for lease, held in state.held.items() if held.until_s > now_s and held.since_s <= now_s + 1},
        paused_s=state.paused_s if state.paused_s < 0 or state.paused_s > now_s else 0.0,
        line_s=min(state.line_s, now_s + LONGEST_WAIT_S) if state.line_s > now_s else 0.0,
    )


def take(
    asks: Sequence[Ask],
    states: Mapping[tuple[str, str], State],
    pauses: Mapping[str, State],
    lease: str,
    *,
    now_s: float,
    lease_s: float,
    waited: bool,
) -> tuple[dict[tuple[str, str], State], Wait | None]:
    """Let a call in everywhere, or nowhere.

    Args:
        asks: What it asks of each of its limits.
        states: By place, what is known of it.
        pauses: By name, the state that holds for everybody.
        lease: Name of the call.
        now_s: Seconds since 1970.
        lease_s: How long it is believed to be under way unless it says so again.
        waited: It has waited already, and comes when it was told to.

    Returns:
        The states that have changed, and the longest wait, or ``None`` when it was let in.
    """
    taken: dict[tuple[str, str], State] = {}
    lined: dict[tuple[str, str], State] = {}
    longest: Wait | None = None
    for ask in asks:
        state = as_of(states.get(ask.place, State()), now_s)
        state, wait = _look(ask, state, pauses.get(ask.rule.name, State()), now_s, waited=waited)
        if wait is None:
            taken[ask.place] = _let_in(ask, state, lease, now_s, lease_s)
        else:
            lined[ask.place] = state
            if longest is None or wait.delay_s > longest.delay_s:
                longest = wait
    return (taken, None) if longest is None else (lined, longest)


def settle(ask: Ask, state: State, lease: str, *, now_s: float, spent: float | None, ran: bool) -> State:
    """End a call.

    Args:
        ask: As it was let in.
        state: What is known by now; a lease that has ended meanwhile is no matter.
        lease: Name of the call.
        now_s: Seconds since 1970.
        spent: What it did cost; ``None`` for what was expected.
        ran: Whether it was made at all; one that was not counts nowhere.
    """
    held = state.held.get(lease)
    state = as_of(state, now_s)
    since_s = now_s - WINDOW_S if held is None else held.since_s
    at, calls, costs = int(since_s), dict(state.calls), dict(state.costs)
    if held is not None and not ran and calls.get(at, 0) > 0:
        calls[at] -= 1
    correction = 0.0 if ran else -ask.cost
    if ran and spent is not None:
        correction = spent - ask.cost
    if ask.rule.tokens_per_minute is None:
        pass
    elif at in costs or at > int(now_s) - WINDOW_S:
        costs[at] = max(costs.get(at, 0.0) + correction, 0.0)
    elif correction > 0:
        costs[int(now_s)] = costs.get(int(now_s), 0.0) + correction
    took_s = max(now_s - since_s, 0.0)
    return msgspec.structs.replace(
        state,
        calls={second: count for second, count in calls.items() if count},
        costs={second: cost for second, cost in costs.items() if cost},
        held={name: other for name, other in state.held.items() if name != lease},
        hold_s=0.8 * state.hold_s + 0.2 * took_s if ran and held is not None else state.hold_s,
    )


def extend(state: State, leases: frozenset[str], *, now_s: float, lease_s: float) -> State:
    """Believe calls to be under way for another lease; those that are not known any more stay unknown."""
    held = {
        name: msgspec.structs.replace(each, until_s=now_s + lease_s) if name in leases else each
        for name, each in state.held.items()
    }
    return msgspec.structs.replace(state, held=held)


def pause(state: State, *, until_s: float, reason: str) -> State:
    """Let nobody in before a moment, or with a negative one until somebody resumes; never shortens a pause."""
    if state.paused_s < 0 or 0 <= until_s <= state.paused_s:
        return state
    return msgspec.structs.replace(state, paused_s=until_s, reason=reason)


def resume(state: State) -> State:
    """End a pause."""
    return msgspec.structs.replace(state, paused_s=0.0, reason="", line_s=0.0)


def _recent(by_second: Mapping[int, float], oldest: int, now: int) -> dict[int, float]:
    found: dict[int, float] = {}
    for second, amount in by_second.items():
        if second >= oldest:
            found[min(second, now)] = found.get(min(second, now), 0) + amount
    return found


def _look(ask: Ask, state: State, everybody: State, now_s: float, *, waited: bool) -> tuple[State, Wait | None]:
    """Whether there is room; who has to wait is put into the line."""
    rule = ask.rule
    for paused in (everybody, state):
        if paused.paused_s < 0:
            return state, Wait(PAUSED_WAIT_S, rule.name, paused.reason or "paused")
        if paused.paused_s > now_s:
            step_s = _step_s(ask, state)
            at_s = max(paused.paused_s, state.line_s)
            delay_s = min(max(at_s - now_s, SHORTEST_WAIT_S), LONGEST_WAIT_S)
            return _in_line(state, at_s + step_s, now_s), Wait(delay_s, rule.name, paused.reason or "paused")
    free_s, reason = _free_s(ask, state, now_s)
    if free_s <= now_s and (waited or state.line_s <= now_s):
        return state, None
    at_s = max(free_s, state.line_s)
    delay_s = min(max(at_s - now_s, SHORTEST_WAIT_S), LONGEST_WAIT_S)
    return _in_line(state, at_s + _step_s(ask, state), now_s), Wait(delay_s, rule.name, reason)


def _in_line(state: State, line_s: float, now_s: float) -> State:
    return msgspec.structs.replace(state, line_s=min(line_s, now_s + LONGEST_WAIT_S))


def _step_s(ask: Ask, state: State) -> float:
    """How long one that waits takes from those behind it."""
    rule, steps = ask.rule, [0.0]
    if rule.requests_per_minute:
        steps.append(WINDOW_S / rule.requests_per_minute)
    if rule.tokens_per_minute:
        steps.append(ask.cost * WINDOW_S / rule.tokens_per_minute)
    if rule.concurrency:
        steps.append(EAGER * state.hold_s / rule.concurrency)
    return max(steps)


def _free_s(ask: Ask, state: State, now_s: float) -> tuple[float, str]:
    """From when on there is room, and what there is none of."""
    rule = ask.rule
    free_s, reason = now_s, "others wait"
    if rule.requests_per_minute is not None:
        at_s = _room_s(state.calls, 1, rule.requests_per_minute, now_s)
        if at_s > free_s:
            free_s, reason = at_s, f"{rule.requests_per_minute:g} requests a minute"
    if rule.tokens_per_minute is not None:
        at_s = _room_s(state.costs, ask.cost, rule.tokens_per_minute, now_s)
        if at_s > free_s:
            free_s, reason = at_s, f"{rule.tokens_per_minute:g} tokens a minute"
    if rule.concurrency is not None and len(state.held) >= rule.concurrency:
        at_s = now_s + max(EAGER * state.hold_s / rule.concurrency, SHORTEST_WAIT_S)
        if at_s > free_s:
            free_s, reason = at_s, f"{rule.concurrency} at once"
    return free_s, reason


def _room_s(by_second: Mapping[int, float], need: float, limit: float, now_s: float) -> float:
    """When the oldest of what was let in have left the window, so that there is room for ``need``."""
    used = sum(by_second.values())
    if used + need <= limit:
        return now_s
    for second in sorted(by_second):
        used -= by_second[second]
        if used + need <= limit:
            return float(second + WINDOW_S + 1)
    return now_s + WINDOW_S


def _let_in(ask: Ask, state: State, lease: str, now_s: float, lease_s: float) -> State:
    second, rule = int(now_s), ask.rule
    calls, costs = state.calls, state.costs
    if rule.requests_per_minute is not None:
        calls = {**calls, second: calls.get(second, 0) + 1}
    if rule.tokens_per_minute is not None and ask.cost:
        costs = {**costs, second: costs.get(second, 0.0) + ask.cost}
    return msgspec.structs.replace(
        state, calls=calls, costs=costs, held={**state.held, lease: Held(now_s, now_s + lease_s, ask.cost)}
    )
