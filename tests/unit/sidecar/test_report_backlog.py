"""Reports that wait for the gateway: order, pressure, bounds and what is given up."""

from asya_protocol.reports import ChildBody, ProgressBody
from asya_sidecar.core.actions import Report
from asya_sidecar.core.report_backlog import TRIES, Backlog


def progress(envelope_id: str, status: str = "received") -> Report:
    return Report("progress", envelope_id, ProgressBody(status=status))


def child(envelope_id: str) -> Report:
    return Report("child", envelope_id, ChildBody(envelope_id, envelope_id.partition("-")[0]))


def taken(backlog: Backlog, most: int = 100) -> list[tuple[str, object]]:
    return [(entry.report.envelope_id, getattr(entry.report.body, "status", None)) for entry in backlog.take(most)]


def test_an_envelopes_progress_stays_in_order_and_goes_one_at_a_time():
    backlog = Backlog()
    for status in ("received", "processing"):
        backlog.add(progress("a", status))
    backlog.add(progress("b"))
    assert taken(backlog) == [("a", "received")]
    assert taken(backlog) == [("a", "processing"), ("b", "received")]
    assert len(backlog) == 0


def test_children_go_before_progress_and_never_beside_their_parents():
    backlog = Backlog()
    backlog.add(progress("a"))
    backlog.add(child("a-1"))
    backlog.add(child("a-2"))
    assert [envelope_id for envelope_id, _ in taken(backlog)] == ["a-1", "a-2"]
    backlog.add(child("b-1"))
    assert [envelope_id for envelope_id, _ in taken(backlog)] == ["b-1", "a"]


def test_under_pressure_only_the_newest_of_an_envelope_is_kept():
    backlog = Backlog(pressure=3)
    for name in ("a", "b", "c"):
        backlog.add(progress(name))
    for status in ("processing", "completed"):
        backlog.add(progress("b", status))
    backlog.add(progress("d"))
    assert (len(backlog), backlog.coalesced) == (4, 2)
    assert taken(backlog) == [("a", "received"), ("b", "completed"), ("c", "received"), ("d", "received")]
    backlog.add(progress("b", "received"))
    assert taken(backlog) == [("b", "received")]


def test_memory_is_bounded_and_what_is_given_up_is_counted():
    backlog = Backlog(limit=10, pressure=10)
    for number in range(1000):
        backlog.add(progress(f"p{number}"))
        backlog.add(child(f"c{number}"))
    assert (len(backlog), backlog.dropped) == (20, 1980)
    assert taken(backlog, 1) == [("c990", None)]
    assert len(backlog._last) == 10


def test_what_the_gateway_did_not_take_waits_in_its_old_place_and_not_for_ever():
    backlog = Backlog()
    for name in ("a", "b", "c"):
        backlog.add(progress(name))
    backlog.take_back(backlog.take(2))
    assert [entry.report.envelope_id for entry in backlog.take(3)] == ["a", "b", "c"]
    backlog.add(progress("a"))
    for _ in range(TRIES):
        backlog.take_back(backlog.take(1))
    assert (len(backlog), backlog.dropped) == (0, 1)


def test_an_envelope_that_the_gateway_does_not_know_is_forgotten():
    backlog = Backlog()
    for status in ("received", "processing"):
        backlog.add(progress("a", status))
    backlog.add(progress("b"))
    backlog.forget("a")
    backlog.forget("never seen")
    assert taken(backlog) == [("b", "received")]
