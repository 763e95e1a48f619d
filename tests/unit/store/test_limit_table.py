"""The table of limits: who is let in, who waits for how long, what a call's end gives back."""

import itertools
import random
from collections import Counter

import pytest

from asya_store.limits.rule import Ask, Place, Rule, read_rules, write_rules
from asya_store.limits.table import (
    LONGEST_WAIT_S,
    PAUSED_WAIT_S,
    WINDOW_S,
    State,
    Wait,
    as_of,
    extend,
    pause,
    resume,
    settle,
    take,
)

START_S = 1_800_000_000.25


class Limits:
    """States of one limit's keys, with a clock that is turned by hand."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.states: dict[Place, State] = {}
        self.pauses: dict[str, State] = {}
        self.now_s = START_S
        self.number = 0

    def take(self, cost: float = 0.0, key: str = "", *, waited: bool = False, lease: str = "") -> Wait | None:
        self.number += 1
        changed, wait = take(
            [Ask(self.rule, key, cost)],
            self.states,
            self.pauses,
            lease or f"l{self.number}",
            now_s=self.now_s,
            lease_s=30,
            waited=waited,
        )
        self.states.update(changed)
        return wait

    def end(
        self, lease: str, cost: float = 0.0, spent: float | None = None, *, ran: bool = True, key: str = ""
    ) -> None:
        ask = Ask(self.rule, key, cost)
        self.states[ask.place] = settle(ask, self.states[ask.place], lease, now_s=self.now_s, spent=spent, ran=ran)


def test_a_minutes_calls_are_let_in_at_once_and_the_next_waits_for_the_first_to_leave_the_window() -> None:
    limits = Limits(Rule(name="openai", requests_per_minute=3))
    assert [limits.take() for _ in range(3)] == [None, None, None]
    wait = limits.take()
    assert wait is not None
    assert wait.reason == "3 requests a minute"
    assert wait.delay_s == pytest.approx(int(START_S) + WINDOW_S + 1 - START_S)
    limits.now_s += wait.delay_s
    assert limits.take(waited=True) is None


def test_those_who_wait_are_told_moments_of_their_own_at_the_pace_of_the_limit() -> None:
    limits = Limits(Rule(name="openai", requests_per_minute=60))
    assert all(limits.take() is None for _ in range(60))
    delays = [wait.delay_s for wait in (limits.take() for _ in range(5)) if wait]
    assert [later - earlier for earlier, later in itertools.pairwise(delays)] == pytest.approx([1.0] * 4)


def test_who_comes_anew_goes_behind_those_who_wait() -> None:
    limits = Limits(Rule(name="openai", requests_per_minute=1))
    limits.take()
    first, second = limits.take(), limits.take()
    assert first is not None and second is not None
    limits.now_s += first.delay_s
    anew = limits.take()
    assert anew is not None
    assert anew.reason == "others wait"
    assert limits.take(waited=True) is None


def test_no_wait_is_longer_than_the_longest() -> None:
    limits = Limits(Rule(name="slow", requests_per_minute=1))
    limits.take()
    delays = [wait.delay_s for wait in (limits.take() for _ in range(50)) if wait]
    assert max(delays) == LONGEST_WAIT_S
    assert len(delays) == 50


def test_keys_have_limits_of_their_own() -> None:
    limits = Limits(Rule(name="openai", requests_per_minute=1, key="headers.tenant"))
    assert limits.take(key="a") is None
    assert limits.take(key="b") is None
    assert limits.take(key="a") is not None


def test_costs_are_counted_and_corrected_by_what_was_spent() -> None:
    limits = Limits(Rule(name="openai", tokens_per_minute=100, cost="payload.max"))
    assert limits.take(80, lease="a") is None
    assert limits.take(30) is not None
    limits.end("a", 80, spent=10)
    limits.now_s += 120
    limits.take(80, lease="b")
    limits.end("b", 80, spent=10)
    assert limits.take(90, waited=True) is None
    assert limits.take(1, waited=True) is not None


def test_what_a_long_call_spent_beyond_its_estimate_counts_from_now() -> None:
    limits = Limits(Rule(name="openai", tokens_per_minute=100))
    limits.take(10, lease="a")
    limits.states = {
        place: extend(state, frozenset("a"), now_s=limits.now_s, lease_s=500) for place, state in limits.states.items()
    }
    limits.now_s += 100
    limits.end("a", 10, spent=90)
    assert limits.take(30, waited=True) is not None


def test_a_call_that_was_never_made_counts_nowhere() -> None:
    limits = Limits(Rule(name="openai", requests_per_minute=1, tokens_per_minute=10, concurrency=1))
    assert limits.take(10, lease="a") is None
    limits.end("a", 10, ran=False)
    assert limits.take(10) is None


def test_places_are_held_until_they_are_returned_or_their_lease_ends() -> None:
    limits = Limits(Rule(name="gpu", concurrency=1))
    assert limits.take(lease="a") is None
    wait = limits.take()
    assert wait is not None
    assert wait.reason == "1 at once"
    limits.end("a")
    assert limits.take(waited=True, lease="killed") is None
    limits.now_s += 29
    assert limits.take(waited=True) is not None
    limits.now_s += 2
    assert limits.take(waited=True) is None


def test_a_lease_that_is_extended_holds_on() -> None:
    limits = Limits(Rule(name="gpu", concurrency=1))
    limits.take(lease="a")
    limits.now_s += 20
    limits.states = {
        place: extend(state, frozenset("a"), now_s=limits.now_s, lease_s=30) for place, state in limits.states.items()
    }
    limits.now_s += 20
    assert limits.take(waited=True) is not None


def test_of_several_limits_all_let_a_call_in_or_none_counts_it() -> None:
    a, b = Ask(Rule(name="a", requests_per_minute=9)), Ask(Rule(name="b", concurrency=1))
    states: dict[Place, State] = {}
    for lease in ("one", "two", "three"):
        changed, wait = take([a, b], states, {}, lease, now_s=START_S, lease_s=30, waited=False)
        states.update(changed)
    assert wait is not None and wait.name == "b"
    assert sum(states[a.place].calls.values()) == 1


@pytest.mark.parametrize("for_everybody", [True, False])
def test_a_pause_lets_nobody_in_until_it_ends(for_everybody: bool) -> None:
    limits = Limits(Rule(name="openai", concurrency=5))
    paused = pause(State(), until_s=START_S + 7, reason="told to call later")
    if for_everybody:
        limits.pauses["openai"] = paused
    else:
        limits.states["openai", "="] = paused
    wait = limits.take()
    assert wait is not None and wait.delay_s == pytest.approx(7)
    assert wait.reason == "told to call later"
    limits.now_s += 7.001
    assert limits.take(waited=True) is None


def test_a_pause_without_an_end_is_looked_after_until_somebody_resumes() -> None:
    limits = Limits(Rule(name="openai", concurrency=5))
    limits.pauses["openai"] = pause(State(), until_s=-1, reason="incident")
    assert limits.take() == Wait(PAUSED_WAIT_S, "openai", "incident")
    assert pause(limits.pauses["openai"], until_s=START_S + 1, reason="x").paused_s == -1
    limits.pauses["openai"] = resume(limits.pauses["openai"])
    assert limits.take() is None


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    longer = pause(State(), until_s=START_S + 60, reason="a")
    assert pause(longer, until_s=START_S + 5, reason="b") == longer


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    """What was let in at a moment that is now in the future counts as let in now."""
    limits = Limits(Rule(name="openai", requests_per_minute=1, concurrency=1))
    limits.take()
    limits.now_s -= 86_400
    wait = limits.take(waited=True)
    assert wait is not None and wait.delay_s <= WINDOW_S + 1
    limits.now_s += wait.delay_s
    assert limits.take(waited=True) is None


@pytest.mark.parametrize("seed", range(5))
def test_in_no_minute_is_more_let_in_than_the_limit_says(seed: int) -> None:
    """Random calls, waits and ends, looked at through every window of 60 seconds."""
    chance = random.Random(seed)
    rule = Rule(name="openai", requests_per_minute=20, tokens_per_minute=500, concurrency=4)
    limits, let_in, running = Limits(rule), [], Counter[str]()
    for number in range(3000):
        limits.now_s += chance.expovariate(4)
        cost = chance.randint(0, 60)
        if limits.take(cost, waited=chance.random() < 0.5, lease=f"n{number}") is None:
            let_in.append((limits.now_s, cost))
            running[f"n{number}"] = cost
        if running and chance.random() < 0.5:
            lease, expected = chance.choice(list(running.items()))
            del running[lease]
            limits.end(lease, expected)
        limits.states = {
            place: extend(state, frozenset(running), now_s=limits.now_s, lease_s=30)
            for place, state in limits.states.items()
        }
        assert len(running) <= 4
    for index, (start_s, _) in enumerate(let_in):
        window = [cost for at_s, cost in let_in[index:] if at_s < start_s + 60]
        assert len(window) <= 20
        assert sum(window) <= 500
    assert len(let_in) > 150


def test_a_state_stays_small_and_forgets() -> None:
    limits = Limits(Rule(name="openai", requests_per_minute=100_000))
    for _ in range(5000):
        limits.now_s += 0.1
        limits.take(lease="same")
    (state,) = limits.states.values()
    assert len(state.calls) <= WINDOW_S + 1
    assert as_of(state, limits.now_s + 600).is_blank


def test_rules_are_read_as_they_are_written() -> None:
    rules = (Rule(name="openai", requests_per_minute=60, key="headers.tenant", cost="payload.max", when_away="open"),)
    assert read_rules(write_rules(rules)) == rules


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "is no list of limits"),
        ('[{"nam": "x"}]', "unknown field `nam`"),
        ('[{"name": "x"}, {"name": "x"}]', "twice"),
        ('[{"name": "x", "whenAway": "ajar"}]', "whenAway"),
    ],
)
def test_what_are_no_rules_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_rules(text)
