"""Sums over the lives of sidecars."""

import pytest

from asya_local.tally import Reading, Tally, read_metrics

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
