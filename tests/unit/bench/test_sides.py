"""Two builds side by side: ratios of rounds, held to the targets."""

from bench.figures import Report
from bench.sides import TARGETS, compare


def rounds(figure: str, *values: float) -> list[dict[str, float]]:
    return [{figure: value, "load": 1.0} for value in values]


def test_a_target_is_held_to_the_median_of_the_rounds_ratios() -> None:
    report = Report("sides")
    target = next(target for target in TARGETS if target.figure == "per_s")
    compare(report, "classic", target, rounds("per_s", 30, 500, 20), rounds("per_s", 10, 100, 10))
    (figure,) = report.figures
    assert (figure.name, figure.value, figure.verdict) == ("classic: envelopes/s", 3, "ok")
    assert figure.note == "30 beside 10, ratios 2.00 to 5.00, load 1"


def test_a_missed_target_says_by_how_much() -> None:
    report = Report("sides")
    target = next(target for target in TARGETS if target.figure == "sidecar_ms")
    compare(report, "quorum", target, rounds("sidecar_ms", 0.8), rounds("sidecar_ms", 1.0))
    assert report.figures[0].verdict == "missed by factor 2.00"
