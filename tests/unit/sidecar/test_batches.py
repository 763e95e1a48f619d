"""Which envelopes share a call."""

from dataclasses import replace

from asya_sidecar.core.window import plan_calls
from tests.unit.sidecar.samples import MakeWork


def test_calls_are_filled_in_order_and_risky_envelopes_run_alone(make_work: MakeWork) -> None:
    works = [make_work(id=f"e{number}") for number in range(6)]
    works[1] = replace(works[1], delivery=2)
    works[4] = replace(works[4], deadline_bound=True)
    calls = plan_calls(((work.envelope.id, work) for work in works), 3)
    assert [[name for name, _ in call] for call in calls] == [["e0", "e2", "e3"], ["e5"], ["e1"], ["e4"]]


def test_nothing_admitted_is_no_call() -> None:
    assert plan_calls([], 3) == []
