"""What hops tell fan-in: who belongs together, how many there are, who will not come."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from asya_protocol.envelope import Route
from asya_protocol.reply import ErrorItem, Item
from asya_sidecar.core.admit import Hop, Work
from asya_sidecar.core.call_outcome import Outcome, Replied, RuntimeLost, TimedOut
from asya_sidecar.core.decide import Moment, cancelled, decide, forward
from asya_sidecar.core.fan_out import place_ahead
from tests.unit.sidecar.samples import MakeWork, sent

ACTORS = ["ocr", "translate", "fan-in", "sum"]
ROUTE = {"actors": ACTORS}
NEXT = Route(tuple(ACTORS), 1)


def items(count: int) -> tuple[Item, ...]:
    return tuple(Item(msgspec.Raw(b"%d" % number), NEXT) for number in range(count))


def entries(bodies: list[bytes]) -> list[Any]:
    return [sent(body)["headers"].get("x-asya-fan-in") for body in bodies]


def after(work: Work, outcome: Outcome, hop: Hop, moment: Moment) -> list[dict[str, Any]]:
    return [sent(send.body) for send in decide(work, outcome, hop, moment).sends]


def test_a_list_opens_a_group_and_every_child_knows_how_many(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    made = after(make_work(route=ROUTE), Replied(items(2)), hop, moment)
    assert [(child["id"], child["parent_id"]) for child in made] == [("e1-0", "e1"), ("e1-1", "e1")]
    assert [child["headers"]["x-asya-fan-in"] for child in made] == [
        [{"group": "e1@0", "index": 0, "count": 2}],
        [{"group": "e1@0", "index": 1, "count": 2}],
    ]


def test_a_plain_value_opens_none(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    (made,) = after(make_work(route=ROUTE), Replied(items(1)), hop, moment)
    assert "x-asya-fan-in" not in made["headers"]


def test_a_route_without_fan_in_ahead_opens_none(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    made = after(
        make_work(route={"actors": ["ocr", "translate"]}),
        Replied(items(0) + (Item(msgspec.Raw(b"1"), Route(("ocr", "translate"), 1)),) * 2),
        hop,
        moment,
    )
    assert all("x-asya-fan-in" not in child["headers"] for child in made)


def test_a_streams_end_tells_how_many_there_were(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    work = make_work(route=ROUTE)
    streamed, _ = forward(work, items(2), 0, hop, moment)
    assert entries([send.body for send in streamed]) == [[{"group": "e1@0", "index": n}] for n in range(2)]
    made = after(work, Replied(items(1), streamed=2), hop, moment)
    assert [child["headers"]["x-asya-fan-in"][-1] for child in made] == [
        {"group": "e1@0", "index": 2},
        {"group": "e1@0", "count": 3, "end": True},
    ]
    assert (made[1]["route"]["current"], made[1]["payload"], made[1]["id"]) == (2, None, "e1@0/end")


def test_children_are_marked_with_the_fan_outs_that_they_come_from(
    make_work: MakeWork, hop: Hop, moment: Moment
) -> None:
    """An envelope-mode handler cannot take that away, nor put it on what it did not make."""
    route = {"actors": ["ocr", "translate", "ocr"], "current": 2}
    theirs = Item(msgspec.Raw(b"1"), Route(("ocr",), 1), {"x-asya-lineage": [9], "own": 1})
    work = make_work(id="job-1", route=route, headers={"x-asya-lineage": [0]})
    made = after(work, Replied((theirs, theirs)), hop, moment)
    assert [(child["id"], child["headers"]["x-asya-lineage"], child["headers"]["own"]) for child in made] == [
        ("job-1", [0], 1),
        ("job-1-1", [0, 2], 1),
    ]


def test_a_group_belongs_to_one_send_of_one_envelope(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """Neither an own id that looks like a child's nor an id that is sent again is joined with others."""
    traces = [f"00-{digit * 32}-{'b' * 16}-01" for digit in "12"]
    headers = [{}, {"x-asya-lineage": [0]}, {"traceparent": traces[0]}, {"traceparent": traces[1]}]
    works = [make_work(id="e-1", route=ROUTE, headers=each) for each in headers]
    groups = [after(work, Replied(items(2)), hop, moment)[0]["headers"]["x-asya-fan-in"][-1]["group"] for work in works]
    assert groups == ["e-1@0", "e-1@0~0", "e-1@0~11111111", "e-1@0~22222222"]


FAILED = ErrorItem("processing_error", "torn", "ValueError", ("ValueError",))


@pytest.mark.parametrize(
    ("outcome", "headers"),
    [
        (Replied(items(1), streamed=2, error=FAILED), {}),
        (Replied(streamed=2, error=FAILED), {"x-asya-attempt": 3}),
        (RuntimeLost("died", streamed=2), {}),
        (RuntimeLost("died", streamed=2), {"x-asya-delivery": 5}),
        (TimedOut(60.0, streamed=2), {"x-asya-delivery": 5}),
    ],
)
def test_a_fan_out_that_fails_calls_its_group_off(
    make_work: MakeWork, hop: Hop, moment: Moment, outcome: Outcome, headers: dict[str, object]
) -> None:
    """Whether it is tried again, fails for good or becomes a dead letter: what it has sent is never joined."""
    decision = decide(make_work(route=ROUTE, headers=headers), outcome, hop, moment)
    notice = sent(decision.sends[-1].body)
    group = "e1@0" + "".join(
        f"~try{headers.get('x-asya-attempt', 1)}.{headers.get('x-asya-delivery', 1)}" for _ in headers.items()
    )
    assert notice["headers"]["x-asya-fan-in"] == [{"group": group, "called_off": decision.cause}]
    assert (decision.sends[-1].kind, notice["route"]["current"]) == ("notice", 2)
    assert not [send for send in decision.sends if send.kind == "routing"]


def test_another_attempt_has_a_group_of_its_own(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """So that no item of one that failed is joined; the same delivery again opens the same group."""
    groups = set()
    for headers in ({}, {"x-asya-attempt": 2}, {"x-asya-attempt": 2, "x-asya-delivery": 2}):
        made = after(make_work(route=ROUTE, headers=headers), Replied(items(2)), hop, moment)
        groups.add(made[0]["headers"]["x-asya-fan-in"][-1]["group"])
    assert groups == {"e1@0", "e1@0~try2.1", "e1@0~try2.2"}


def test_a_list_without_items_is_joined_as_such_and_none_is_not(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    (end,) = after(make_work(route=ROUTE), Replied(is_list=True), hop, moment)
    assert end["headers"]["x-asya-fan-in"] == [{"group": "e1@0", "count": 0, "end": True}]
    assert decide(make_work(route=ROUTE), Replied(), hop, moment).result == "empty_response"
    assert decide(make_work(), Replied(is_list=True), hop, moment).result == "empty_response"


@pytest.mark.parametrize(
    ("outcome", "calls_off"),
    [
        (Replied(), True),
        (Replied(items(1)), False),
        (Replied(items(2)), False),
        (Replied(is_list=True), False),
        (Replied(streamed=2), False),
        (Replied(error=ErrorItem("interrupted", "another's end")), False),
    ],
)
def test_a_delivery_that_comes_again_settles_the_group_that_it_may_have_opened(
    make_work: MakeWork, hop: Hop, moment: Moment, outcome: Outcome, calls_off: bool
) -> None:
    work = replace(make_work(route=ROUTE), redelivered=True)
    notices = [entry for entry in entries([send.body for send in decide(work, outcome, hop, moment).sends]) if entry]
    assert any("called_off" in entry[-1] for entry in notices) is calls_off


def test_a_stream_of_one_is_a_group_of_one(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    """That is how the runtime tells a list of one from a plain value."""
    (end,) = after(make_work(route=ROUTE), Replied((), streamed=1), hop, moment)
    assert end["headers"]["x-asya-fan-in"] == [{"group": "e1@0", "count": 1, "end": True}]


def test_groups_nest(make_work: MakeWork, hop: Hop, moment: Moment) -> None:
    outer = {"group": "job@3", "index": 1, "count": 2}
    item = Item(msgspec.Raw(b"1"), NEXT, {"x-asya-fan-in": [outer]})
    made = after(make_work(route=ROUTE, headers={"x-asya-fan-in": [outer]}), Replied((item, item)), hop, moment)
    assert made[1]["headers"]["x-asya-fan-in"] == [outer, {"group": "e1@0", "index": 1, "count": 2}]


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (
            Replied(error=ErrorItem("processing_error", "bad page", "ValueError", ("ValueError",))),
            "ValueError: bad page",
        ),
        (Replied(), "its handler returned nothing"),
        (RuntimeLost("died"), "died (delivered 5 times)"),
    ],
)
def test_a_child_that_ends_early_is_given_up(
    make_work: MakeWork, hop: Hop, moment: Moment, outcome: Outcome, reason: str
) -> None:
    entry = {"group": "job@0", "index": 7, "count": 9}
    headers = {"x-asya-fan-in": [entry], "x-asya-attempt": 3, "x-asya-delivery": 5}
    made = after(make_work(route=ROUTE, headers=headers), outcome, hop, moment)
    notice = made[-1]
    assert notice["headers"]["x-asya-fan-in"] == [{**entry, "missing": reason}]
    assert (notice["id"], notice["route"]["current"]) == ("job@0/7/missing", 2)
    assert not {"x-asya-attempt", "x-asya-delivery"} & notice["headers"].keys()


def test_a_cancelled_child_is_given_up(make_work: MakeWork, hop: Hop) -> None:
    entry = {"group": "job@0", "index": 7, "count": 9}
    decision = cancelled(make_work(route=ROUTE, headers={"x-asya-fan-in": [entry]}), hop)
    assert [send.actor for send in decision.sends] == ["error-end", "fan-in"]


def test_a_group_that_fails_gives_up_its_place_in_the_one_around_it(make_work: MakeWork, moment: Moment) -> None:
    hop = Hop("fan-in", is_collector=True)
    route = {"actors": ["a", "fan-in", "b", "fan-in"], "current": 1}
    stack = [{"group": "job@0", "index": 7, "count": 9}, {"group": "e1@1", "index": 0, "count": 2}]
    failed = Item(msgspec.Raw(b"{}"), Route(tuple(route["actors"]), 2), {"x-asya-failed": "1 of 2 came"}, "e1")  # type: ignore[arg-type]
    work = make_work(hop, route=route, headers={"x-asya-fan-in": stack})
    error, notice = decide(work, Replied((failed,)), hop, moment).sends
    assert (error.actor, sent(error.body)["id"]) == ("error-end", "e1")
    assert "x-asya-failed" not in sent(error.body)["headers"]
    assert (notice.actor, sent(notice.body)["route"]["current"]) == ("fan-in", 3)
    assert sent(notice.body)["headers"]["x-asya-fan-in"] == [{**stack[0], "missing": "1 of 2 came"}]


@pytest.mark.parametrize(("place", "lineage"), [(0, [0, 1]), (None, [0])])
def test_what_it_gives_up_is_the_child_that_it_would_have_been(
    make_work: MakeWork, moment: Moment, place: int | None, lineage: list[int]
) -> None:
    """Not one of its own children, also where one of those told it: the mark is of what the notice is about."""
    hop = Hop("fan-in", is_collector=True)
    route = {"actors": ["a", "b", "fan-in", "fan-in"], "current": 2}
    own = {"group": "job-7@1~0", **({"timer": "look"} if place is None else {"index": place, "count": 2})}
    headers = {"x-asya-fan-in": [{"group": "job@0", "index": 7, "count": 9}, own], "x-asya-lineage": lineage}
    failed = Item(msgspec.Raw(b"{}"), Route(tuple(route["actors"]), 3), {"x-asya-failed": "1 of 2 came"}, "job-7")  # type: ignore[arg-type]
    _, notice = decide(make_work(hop, route=route, headers=headers), Replied((failed,)), hop, moment).sends
    assert sent(notice.body)["headers"]["x-asya-lineage"] == [0]


@pytest.mark.parametrize(
    ("actors", "open_groups", "place"),
    [
        ("a b fan-in fan-in sum", 1, 3),
        ("a b fan-in fan-in", 2, 2),
        ("a b c fan-in fan-in fan-in", 2, 4),
        ("a fan-in b fan-in", 1, 1),
        ("a fan-in", 3, 1),
        ("a b", 1, None),
    ],
)
def test_of_fan_ins_side_by_side_the_last_are_for_the_groups_that_are_open(
    actors: str, open_groups: int, place: int | None
) -> None:
    """A fan-out of nothing, or a child that fails before its own, is not joined at the place of a group that never was."""
    assert place_ahead(Route(tuple(actors.split()), 0), open_groups) == place


def test_a_collector_names_and_delays_its_outputs_and_may_have_none(make_work: MakeWork, moment: Moment) -> None:
    hop = Hop("fan-in", is_collector=True)
    work = make_work(hop, route={"actors": ["a", "fan-in", "b"], "current": 1})
    assert decide(work, Replied(), hop, moment).result == "collected"
    timer = Item(msgspec.Raw(b"null"), Route(("a", "fan-in", "b"), 1), {"x-asya-delay-s": 30}, "g/look")
    joined = Item(msgspec.Raw(b"[]"), Route(("a", "fan-in", "b"), 2), {}, "job", "parent")
    sends = decide(work, Replied((timer, joined)), hop, moment).sends
    assert [(send.actor, send.delay_s) for send in sends] == [("fan-in", 30.0), ("b", 0.0)]
    documents = [json.loads(send.body) for send in sends]
    assert [(document["id"], document.get("parent_id")) for document in documents] == [
        ("g/look", None),
        ("job", "parent"),
    ]
    assert "x-asya-delay-s" not in documents[0]["headers"]
