"""Fan-in: what a group's state means, and that every order, repetition and delay of its envelopes gives one right end."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asya_crew.fan_in import LOOK, TIDY, FanIn
from asya_crew.group_store import GroupStore
from asya_crew.groups import Group, Verdict, read_entry
from asya_crew.settings import FanInSettings
from asya_process.settings import read
from asya_protocol.errors import SettingsError, StoreUnavailable
from asya_store.folder import FolderStore

ROUTE = {"actors": ["split", "work", "fan-in", "sum"], "current": 2}
Envelope = dict[str, Any]


def child(index: int, count: int | None = None, **more: Any) -> Envelope:
    entry = {"group": "e1@0", "index": index, **({} if count is None else {"count": count}), **more}
    return {
        "id": f"e1-{index}",
        "route": ROUTE,
        "headers": {"tenant": "x", "x-asya-fan-in": [entry]},
        "payload": {"n": index},
    }


def end(count: int) -> Envelope:
    entry = {"group": "e1@0", "count": count, "end": True}
    return {"id": "e1@0/end", "route": ROUTE, "headers": {"x-asya-fan-in": [entry]}, "payload": None}


class Collector:
    """A fan-in whose process can be killed, on a clock that is turned by hand."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.store = FolderStore(folder)
        self.settings = FanInSettings(**options)
        self.now_s = 1000.0
        self.restart()

    def restart(self) -> None:
        self.fan_in = FanIn(GroupStore(self.store), self.settings, lambda: self.now_s)

    def __call__(self, *envelopes: Envelope) -> list[Envelope]:
        """Hand envelopes over in one batch; returns outputs other than timers."""
        outputs: list[Envelope] = []
        self.timers: list[Envelope] = []
        for output in self.fan_in.handle(list(envelopes)):
            if isinstance(output, Exception):
                raise output
            for envelope in output if isinstance(output, list) else [output] if output else []:
                is_timer = "x-asya-delay-s" in envelope["headers"]
                (self.timers if is_timer else outputs).append(envelope)
        return outputs

    def ring(self) -> list[Envelope]:
        """Let the timers' time pass and hand them over."""
        timers = self.timers
        self.now_s += max(timer["headers"]["x-asya-delay-s"] for timer in timers)
        return self(*timers)


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    return Collector(tmp_path)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), st.booleans(), st.integers(0, 10_000))
def test_any_order_with_repetitions_and_kills_gives_one_ordered_list(
    tmp_path_factory: pytest.TempPathFactory, count: int, streamed: bool, seed: int
) -> None:
    chance = random.Random(seed)
    collector = Collector(tmp_path_factory.mktemp("store"))
    wanted = [child(index, None if streamed else count) for index in range(count)] + ([end(count)] if streamed else [])
    arrivals = wanted + chance.choices(wanted, k=4)
    chance.shuffle(arrivals)
    joined: list[Envelope] = []
    winner: Envelope | None = None
    while arrivals:
        batch = [arrivals.pop() for _ in range(min(len(arrivals), chance.randint(1, 3)))]
        if chance.random() < 0.3:
            collector.restart()
        collector.now_s += chance.choice([0, 0, 5])
        if found := collector(*batch):
            joined += found
            winner = winner or found[0]
    ids = {(envelope["id"], tuple(item["n"] for item in envelope["payload"])) for envelope in joined}
    assert ids == {("e1", tuple(range(count)))}


def test_what_is_joined_goes_on_as_the_envelope_that_was_split(collector: Collector) -> None:
    assert collector(child(1, 2)) == []
    (joined,) = collector(child(0, 2))
    assert joined == {
        "id": "e1",
        "route": {**ROUTE, "current": 3},
        "headers": {"tenant": "x"},
        "payload": [{"n": 0}, {"n": 1}],
    }


def test_an_envelope_of_no_group_is_a_list_of_one(collector: Collector) -> None:
    (joined,) = collector({"id": "a", "route": ROUTE, "payload": 7})
    assert (joined["payload"], joined["route"]["current"]) == ([7], 3)


def test_a_redelivered_winner_joins_again_and_a_late_duplicate_does_not(collector: Collector) -> None:
    collector(child(0, 2))
    (first,) = collector(child(1, 2))
    collector.restart()
    assert collector(child(1, 2)) == [first]
    assert collector(child(0, 2)) == []


def test_inner_groups_come_off_the_stack_first(collector: Collector) -> None:
    outer = {"group": "job@0", "index": 4, "count": 9}
    envelopes = []
    for index in range(2):
        envelope = child(index, 2)
        envelope["headers"]["x-asya-fan-in"].insert(0, outer)
        envelopes.append(envelope)
    (joined,) = collector(*envelopes)
    assert joined["headers"]["x-asya-fan-in"] == [outer]


def called_off(group: str = "e1@0") -> Envelope:
    entry = {"group": group, "called_off": "ValueError: torn"}
    return {"id": f"{group}/called-off", "route": ROUTE, "headers": {"x-asya-fan-in": [entry]}, "payload": None}


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("first", ["notice", "child"])
def test_a_group_that_is_called_off_ends_without_a_word(tmp_path: Path, first: str, partial: bool) -> None:
    """Its end was told by the hop that opened it; the timer of what was here before only tidies."""
    collector = Collector(tmp_path, partial=partial, timeout_s=30.0)
    arrivals = [called_off(), child(0), child(1)]
    timers: list[Envelope] = []
    for each in arrivals if first == "notice" else [arrivals[1], arrivals[0], arrivals[2]]:
        assert collector(each) == []
        timers += collector.timers
    collector.timers = timers
    while collector.timers:
        assert collector.ring() == []
    assert [key.rpartition("/")[2] for key in collector.store.list("fan-in/")] == ["winner"]


@pytest.mark.parametrize("killed", [False, True])
def test_a_group_that_was_called_off_is_joined_when_it_becomes_whole(collector: Collector, killed: bool) -> None:
    """A sidecar was killed before it could send its retry, and the delivery that came again went through."""
    collector(child(0))
    assert collector(called_off()) == []
    if killed:
        collector.restart()
    assert collector(child(1)) == []
    (joined,) = collector(end(2))
    assert joined["payload"] == [{"n": 0}, {"n": 1}]


@pytest.mark.parametrize("killed", [False, True])
def test_what_a_run_that_was_cut_off_made_beyond_the_count_is_not_joined(collector: Collector, killed: bool) -> None:
    for index in range(5):
        assert collector(child(index)) == []
    for index in range(3):
        assert collector(child(index)) == []
    if killed:
        collector.restart()
    (joined,) = collector(end(3))
    assert joined["payload"] == [{"n": 0}, {"n": 1}, {"n": 2}]


@pytest.mark.parametrize("how", ["child", "end", "missing", "timer"])
def test_what_is_joined_is_marked_as_the_envelope_that_was_split(tmp_path: Path, how: str) -> None:
    """Whichever envelope of the group ends it."""
    collector = Collector(tmp_path, partial=True, timeout_s=30.0)
    first, second = child(0, 2), child(1, 2)
    last = {"child": second, "end": end(1), "missing": child(1, 2, missing="torn"), "timer": second}[how]
    for each in (first, last):
        each["headers"] |= {"x-asya-lineage": [3] if each["id"].endswith("/end") else [3, 0]}
        each["headers"]["x-asya-fan-in"][0]["group"] = "job-7@0~3"
    if how == "end":
        del first["headers"]["x-asya-fan-in"][0]["count"]
    assert collector(first) == []
    (joined,) = collector.ring() if how == "timer" else collector(last)
    assert (joined["id"], joined["parent_id"], joined["headers"]["x-asya-lineage"]) == ("job-7", "job", [3])


def test_a_child_that_was_given_up_fails_the_group_at_once_and_names_it(collector: Collector) -> None:
    collector(child(0, 3), child(2, 3))
    (failed,) = collector(child(1, 3, missing="ValueError: bad page"))
    text = "2 of 3 children came; missing: 1 (ValueError: bad page)"
    assert failed["headers"]["x-asya-failed"] == text
    assert failed["headers"]["x-asya-fan-in-missing"] == [1]
    assert failed["payload"] == {
        "error": "processing_error",
        "details": {"type": "ChildrenMissing", "message": text},
        "original_payload": [{"n": 0}, {"n": 2}],
    }
    assert collector(child(1, 3)) == []


def test_partial_joins_what_came(tmp_path: Path) -> None:
    collector = Collector(tmp_path, partial=True)
    collector(child(0, 3), child(1, 3, missing="lost"))
    (joined,) = collector(child(2, 3))
    assert (joined["payload"], joined["headers"]["x-asya-fan-in-missing"]) == ([{"n": 0}, {"n": 2}], [1])
    assert "x-asya-failed" not in joined["headers"]


NESTED = {"actors": ["books", "pages", "work", "fan-in", "collect", "fan-in", "sum"], "current": 5}


def of_job(index: int, place: int = 5, **more: Any) -> Envelope:
    """A child of the outer of two groups, of three, or a notice about one."""
    made = child(index, 3, **more)
    made["headers"]["x-asya-lineage"] = [0]
    return {**made, "route": {**NESTED, "current": place}}


@pytest.mark.parametrize("last", [0, 1, 2])
def test_what_is_joined_of_partial_groups_says_what_they_lack(tmp_path: Path, last: int) -> None:
    """Whichever child comes last; what a parent lacked before its fan-out is not what its children lack."""
    collector = Collector(tmp_path, partial=True)
    children = [of_job(0), of_job(1, missing="lost"), of_job(2, lacks=[1, "0.4"])]
    children[2]["headers"]["x-asya-fan-in-missing"] = [1, "0.4"]
    first = [each for index, each in enumerate(children) if index != last]
    assert collector(*first) == []
    collector.restart()
    (joined,) = collector(children[last])
    assert joined["headers"]["x-asya-fan-in-missing"] == [1, "2.1", "2.0.4"]


def test_a_partial_group_tells_the_one_around_it(tmp_path: Path) -> None:
    collector = Collector(tmp_path, partial=True)
    around = {"group": "job@0", "index": 1, "count": 2}
    children = [child(0, 2), child(1, 2, missing="lost")]
    for each in children:
        each["headers"]["x-asya-fan-in"].insert(0, around)
    (joined,) = collector(*children)
    assert joined["headers"]["x-asya-fan-in"] == [{**around, "lacks": [1]}]
    assert joined["headers"]["x-asya-fan-in-missing"] == [1]


@pytest.mark.parametrize("last", [0, 1])
def test_children_say_at_which_fan_in_their_group_is_joined(tmp_path: Path, last: int) -> None:
    """Not a notice from a hop before them, which can but guess; whichever comes last, also after a restart."""
    collector = Collector(tmp_path, partial=True)
    both = [of_job(1), of_job(0, place=3, missing="lost")]
    collector(of_job(2), both[1 - last])
    collector.restart()
    (joined,) = collector(both[last])
    assert (joined["route"]["current"], joined["payload"]) == (6, [{"n": 1}, {"n": 2}])


def test_the_senders_wish_wins(collector: Collector) -> None:
    envelopes = [child(0, 2), child(1, 2, missing="lost")]
    for envelope in envelopes:
        envelope["headers"]["x-asya-fan-in-on-missing"] = "partial"
    (joined,) = collector(*envelopes)
    assert joined["payload"] == [{"n": 0}]


def test_a_given_up_child_that_comes_in_time_counts(collector: Collector) -> None:
    collector(child(0, 3, missing="in a dead letter queue"), child(1, 3))
    collector(child(0, 3))
    (joined,) = collector(child(2, 3))
    assert joined["payload"] == [{"n": 0}, {"n": 1}, {"n": 2}]


@pytest.mark.parametrize("killed", [False, True])
def test_the_timer_ends_a_group_whose_child_never_came(tmp_path: Path, killed: bool) -> None:
    collector = Collector(tmp_path, timeout_s=70)
    assert collector(child(0, 3), child(2, 3)) == []
    for _ in range(2):
        if killed:
            collector.restart()
        assert collector.ring() == []
    (failed,) = collector.ring()
    assert failed["id"] == "e1"
    assert failed["headers"]["x-asya-failed"] == "2 of 3 children came; missing: 1 (did not come)"
    assert [timer["headers"]["x-asya-fan-in"][-1]["timer"] for timer in collector.timers] == [TIDY]
    late = collector.timers
    assert collector(child(1, 3)) == []
    collector.timers = late
    assert collector.ring() == []
    assert collector.timers == []
    kept = [key.removeprefix("fan-in/e1%400/") for key in collector.store.list("fan-in/")]
    assert kept == ["count.json", "failed.json", "group.json", "items/0000000.json", "items/0000002.json", "winner"]


def test_what_a_failed_group_kept_for_replays_is_tidied_away_once_they_completed_it(tmp_path: Path) -> None:
    collector = Collector(tmp_path)
    collector(child(0, 2), child(1, 2, missing="boom"))
    collector.timers = []
    assert len(collector(replayed(1, 2))) == 1
    assert collector.ring() == []
    assert collector.store.list("fan-in/") == ["fan-in/e1%400/winner"]


def test_a_stream_whose_end_never_came_says_that_nobody_knows_how_many(tmp_path: Path) -> None:
    collector = Collector(tmp_path, timeout_s=10)
    collector(child(0))
    (failed,) = collector.ring()
    assert failed["headers"]["x-asya-failed"] == "1 of an unknown number children came; missing: unknown"


def test_a_timer_of_a_group_that_is_over_only_tidies(collector: Collector) -> None:
    collector(child(0, 2))
    (look,) = collector.timers
    assert look["headers"]["x-asya-fan-in"][-1]["timer"] == LOOK
    collector(child(1, 2))
    assert collector(look) == []
    assert collector.ring() == []
    assert collector.store.list("fan-in/") == ["fan-in/e1%400/winner"]


def test_two_replicas_that_saw_a_half_each_find_the_whole(tmp_path: Path) -> None:
    one, other = Collector(tmp_path), Collector(tmp_path)
    one(child(0, 4))
    other(child(2, 4))
    timers = one.timers
    one(child(1, 4))
    assert other(child(3, 4)) == []
    one.timers = timers
    (joined,) = one.ring()
    assert [item["n"] for item in joined["payload"]] == [0, 1, 2, 3]


def test_an_empty_stream_is_an_empty_list(collector: Collector) -> None:
    (joined,) = collector(end(0))
    assert joined["payload"] == []


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("x", "must be a list of objects"),
        ([7], "must be a list of objects"),
        ([{"index": 1}], "names no group"),
        ([{"group": "g"}], "neither an index nor a count"),
        ([{"group": "g", "index": -1}], "index must be a number"),
        ([{"group": "g", "index": 2, "count": 2}], "index 2 of 2"),
        ([{"group": "g", "index": 0, "count": 10**9}], "count must be a number"),
    ],
)
def test_a_header_that_cannot_be_used_fails_its_envelope_only(collector: Collector, header: object, text: str) -> None:
    bad = {"id": "b", "route": ROUTE, "headers": {"x-asya-fan-in": header}, "payload": 1}
    outputs = collector.fan_in.handle([bad, child(0, 1)])
    assert isinstance(outputs[0], ValueError)
    assert text in str(outputs[0])
    assert isinstance(outputs[1], list)


def test_a_wish_that_is_no_word_is_not_followed(collector: Collector) -> None:
    """As one that is an unknown word."""
    odd = child(0, 2)
    odd["headers"]["x-asya-fan-in-on-missing"] = ["partial"]
    (failed,) = collector(odd, child(1, 2, missing="lost"))
    assert failed["payload"]["details"]["type"] == "ChildrenMissing"


def test_what_goes_wrong_with_one_envelope_does_not_touch_its_neighbours(collector: Collector) -> None:
    """Neither what cannot be read, nor what cannot be judged, whether it comes before or after them."""
    headers: Any = ["x"]
    unreadable = {"id": "u", "route": ROUTE, "headers": headers, "payload": 1}
    routeless = {"id": "r", "payload": 1}
    outputs = collector.fan_in.handle([unreadable, child(0, 2), routeless, child(1, 2), unreadable])
    assert [type(output) for output in outputs] == [AttributeError, list, KeyError, NoneType, AttributeError]
    joined = outputs[1]
    assert isinstance(joined, list)
    assert joined[0]["payload"] == [{"n": 0}, {"n": 1}]


def test_a_child_that_no_list_can_hold_fails_and_leaves_nothing_invalid(collector: Collector) -> None:
    """The runtime reads 1e400 as infinity, and could not send what was joined; error-end gets the child as it came."""
    large = {**child(1, 2), "payload": json.loads("1e400")}
    outputs = collector.fan_in.handle([large, child(0, 2)])
    assert isinstance(outputs[0], ValueError)
    assert str(outputs[0]) == "payload holds a number that is out of range for a float: it reads as inf or -inf"
    assert "fan-in/e1%400/items/0000001.json" not in collector.store.list("fan-in/")
    assert "fan-in/e1%400/items/0000000.json" in collector.store.list("fan-in/")


class FullStore(FolderStore):
    """A real folder that has no room for one object."""

    full_for = ""

    def put(
        self,
        key: str,
        body: bytes,
        content_type: str = "application/json",
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        if key.endswith(self.full_for):
            raise StoreUnavailable(f"{key}: no room")
        super().put(key, body, content_type, metadata=metadata)


def test_a_child_that_could_not_be_kept_is_not_counted_and_comes_again(tmp_path: Path) -> None:
    store = FullStore(tmp_path)
    fan_in = FanIn(GroupStore(store), FanInSettings())
    store.full_for = "items/0000001.json"
    outputs = fan_in.handle([child(0, 2), child(1, 2)])
    assert [type(output) for output in outputs] == [list, StoreUnavailable]
    store.full_for = "none"
    (joined,) = fan_in.handle([child(1, 2)])
    assert isinstance(joined, list)
    assert joined[0]["payload"] == [{"n": 0}, {"n": 1}]


def test_a_group_waits_until_every_child_is_accounted_for() -> None:
    group = Group("0", 0.0, count=2, here={0})
    assert group.judge(partial=True, late=False) is Verdict.WAIT
    assert group.judge(partial=True, late=True) is Verdict.JOIN
    assert group.judge(partial=False, late=True) is Verdict.FAIL
    group.given_up[1] = "x"
    assert group.judge(partial=False, late=False) is Verdict.FAIL
    assert read_entry({}) is None


def test_settings_name_the_variable() -> None:
    assert read(FanInSettings, {"ASYA_FAN_IN_TIMEOUT": "90s", "ASYA_FAN_IN_ON_MISSING": "partial"}) == FanInSettings(
        90.0, True
    )
    for variable in ("ASYA_FAN_IN_TIMEOUT", "ASYA_FAN_IN_ON_MISSING"):
        with pytest.raises(SettingsError, match=variable):
            read(FanInSettings, {variable: "soon"})


def replayed(index: int, count: int | None = None) -> Envelope:
    made = child(index, count)
    return {**made, "headers": {**made["headers"], "x-asya-replay": "0a1b2c3d"}}


def test_replayed_children_complete_a_group_that_had_failed_also_after_its_tidying_and_restarts(
    collector: Collector,
) -> None:
    collector(child(0, 3))
    timers = collector.timers
    collector(child(1, 3, missing="boom"))
    (failed,) = collector(child(2, 3, missing="boom"))
    assert "x-asya-failed" in failed["headers"]
    collector.timers = timers
    collector.ring()
    collector.ring()
    collector.restart()
    assert collector(replayed(2, 3)) == []
    assert collector(child(1, 3)) == []
    assert collector(child(1, 3, missing="boom again")) == []
    (joined,) = collector(replayed(1, 3))
    assert (joined["id"], joined["payload"]) == ("e1", [{"n": 0}, {"n": 1}, {"n": 2}])
    assert joined["headers"]["x-asya-replay"] == "0a1b2c3d"
    assert "x-asya-fan-in-missing" not in joined["headers"]
    collector.restart()
    assert collector(replayed(1, 3)) == [joined]
    assert collector(replayed(2, 3)) == []


def test_replayed_children_of_a_group_that_was_joined_without_them_change_nothing(tmp_path: Path) -> None:
    collector = Collector(tmp_path, partial=True)
    collector(child(0, 2))
    assert len(collector(child(1, 2, missing="boom"))) == 1
    assert collector(replayed(1, 2)) == []
