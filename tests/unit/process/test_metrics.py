"""Our own histogram shows what the library's shows."""

from prometheus_client import generate_latest

from asya_process.metric import CALL_BUCKETS_S, Metric
from asya_process.metrics import Maker

TOOK = Metric("took_seconds", "histogram", "How long it took.", ("queue", "kind"), "s", CALL_BUCKETS_S)
VALUES = (0.0, 0.005, 0.0051, 3.0, 3600.0, 3600.1, 1e9)


def text(maker: Maker) -> list[str]:
    lines = generate_latest(maker.registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]  # which the library adds, and no other client


def test_a_tally_shows_what_the_library_s_histogram_shows() -> None:
    ours, theirs = Maker("asya_actor"), Maker("asya_actor")
    tallies, histogram = ours.tallies(TOOK), theirs.histogram(TOOK)
    for value in VALUES:
        tallies.labels("ocr", "a").observe(value)
        histogram.labels("ocr", "a").observe(value)
    tallies.labels("ocr", "b")
    histogram.labels("ocr", "b")
    assert text(ours) == text(theirs)


def test_a_tally_of_nothing_shows_its_name() -> None:
    maker = Maker("asya_actor")
    maker.tallies(TOOK)
    assert text(maker) == [
        "# HELP asya_actor_took_seconds How long it took.",
        "# TYPE asya_actor_took_seconds histogram",
    ]
