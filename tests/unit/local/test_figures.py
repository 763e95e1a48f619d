"""Sums over the lives of sidecars, rates and medians over the last seconds, and how long the oldest envelope waits."""

import math

import pytest

from asya_local.figures import MAX_ARRIVALS, WINDOW_S, Backlog, Pace, Reading, Tally, read_metrics

PAGE = """# HELP asya_actor_messages_processed_total Envelopes processed.
# TYPE asya_actor_messages_processed_total counter
asya_actor_messages_processed_total{queue="ocr",status="success"} 7.0
asya_actor_messages_processed_total{queue="ocr",status="empty_response"} 2.0
# TYPE asya_actor_messages_failed_total counter
asya_actor_messages_failed_total{queue="ocr",reason="runtime_error"} 3.0
asya_actor_messages_received_total{queue="ocr",transport="sqs"} 12.0
# TYPE asya_actor_active_messages gauge
asya_actor_active_messages 1.0
# TYPE asya_actor_messages_processed_created gauge
asya_actor_messages_processed_created{queue="ocr",status="success"} 1.79e+09
"""


def test_a_metrics_page_is_summed_over_its_labels():
    """Statuses and reasons do not matter here."""
    assert read_metrics(PAGE) == Reading(active=1, done=9, failed=3, received=12)
    assert read_metrics("") == Reading()


def test_handler_calls_are_counted_by_how_long_they_took_at_most():
    """And summed over a sidecar's lives."""
    name = "asya_actor_runtime_execution_duration_seconds"
    page = f"""# TYPE {name} histogram
{name}_bucket{{le="0.1",queue="ocr"}} 2.0
{name}_bucket{{le="+Inf",queue="ocr"}} 3.0
"""
    reading = read_metrics(page)
    assert reading.calls == {0.1: 2.0, float("inf"): 3.0}
    tally = Tally()
    tally.add(None, reading)
    tally.add(reading, Reading(calls={0.1: 2.0, float("inf"): 4.0}, received=1))
    assert tally.calls == {0.1: 2.0, float("inf"): 4.0}
    assert tally.received == 1


def test_a_page_that_is_no_metrics_is_an_error():
    """A foreign server must not be counted."""
    with pytest.raises(ValueError, match="could not convert"):
        read_metrics("<html>{")


def test_the_sum_goes_on_over_a_sidecars_death():
    """A new life counts from zero and is added whole."""
    tally = Tally()
    tally.add(None, Reading(done=5, failed=1))
    tally.add(Reading(done=5, failed=1), Reading(done=8, failed=1))
    tally.add(None, Reading(done=2))
    assert (tally.done, tally.failed) == (10, 1)


def test_a_rate_is_that_of_the_window_and_fades_when_work_ends():
    """Ten a second for a minute, then nothing."""
    pace = Pace()
    assert pace.rate == 0.0
    for second in range(60):
        pace.add(float(second), second * 10, {})
    assert pace.rate == pytest.approx(10.0)
    for second in range(60, 60 + int(WINDOW_S) // 2):
        pace.add(float(second), 590, {})
    assert 3 < pace.rate < 8
    for second in range(65, 80):
        pace.add(float(second), 590, {})
    assert pace.rate == 0.0


def test_looks_in_between_change_nothing():
    """The processes are looked at four times a second, the sums change once."""
    pace = Pace()
    pace.add(0.0, 0, {})
    pace.add(0.25, 100, {})
    assert pace.rate == 0.0
    pace.add(1.0, 100, {})
    assert pace.rate == 100.0


@pytest.mark.parametrize(
    ("calls", "p50_s"),
    [
        ({0.1: 0.0, 0.5: 10.0, math.inf: 10.0}, 0.3),
        ({0.1: 10.0, 0.5: 10.0, math.inf: 10.0}, 0.05),
        ({0.1: 1.0, 0.5: 4.0, math.inf: 10.0}, 0.5),
        ({0.1: 0.0, math.inf: 0.0}, None),
        ({}, None),
    ],
)
def test_the_median_comes_from_the_calls_of_the_window(calls: dict[float, float], p50_s: float | None):
    """Calls from before do not count; beyond the last bound there is no figure but that bound."""
    pace = Pace()
    before = dict.fromkeys(calls, 1000.0)
    pace.add(0.0, 0, before)
    pace.add(5.0, 0, {bound: 1000.0 + count for bound, count in calls.items()})
    assert pace.p50_s == (None if p50_s is None else pytest.approx(p50_s))
    assert (pace.p99_s is None) == (p50_s is None)


def test_the_99th_percentile_is_the_slow_end_of_the_window():
    pace = Pace()
    pace.add(0.0, 0, {0.1: 0.0, 1.0: 0.0, math.inf: 0.0})
    pace.add(5.0, 100, {0.1: 98.0, 1.0: 100.0, math.inf: 100.0})
    assert pace.p99_s == pytest.approx(0.55)


def test_the_oldest_has_waited_since_it_arrived_while_others_are_taken():
    """Three arrive at 0, three at 10; the age falls when the last of the first three is taken."""
    backlog = Backlog()
    backlog.add(0.0, taken=0, waiting=3)
    backlog.add(10.0, taken=0, waiting=6)
    assert backlog.oldest_s(12.0) == 12.0
    backlog.add(13.0, taken=2, waiting=4)
    assert backlog.oldest_s(13.0) == 13.0
    backlog.add(14.0, taken=3, waiting=3)
    assert backlog.oldest_s(14.0) == 4.0
    backlog.add(20.0, taken=6, waiting=0)
    assert backlog.oldest_s(20.0) is None


def test_a_long_backlog_keeps_its_age_and_little_memory():
    """A day without a consumer."""
    backlog = Backlog()
    for second in range(5 * MAX_ARRIVALS):
        backlog.add(float(second), taken=0, waiting=second + 1)
    assert backlog.oldest_s(86400.0) == 86400.0
    assert len(backlog._arrived) <= MAX_ARRIVALS
