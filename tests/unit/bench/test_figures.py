"""Figures, bounds and the page that shows them."""

import json
from pathlib import Path

import pytest

from bench import page
from bench.figures import Bound, Report, percentile, show, slope


def test_a_bound_says_ok_or_by_what_factor_it_is_missed():
    assert Bound(10).verdict(10) == "ok"
    assert Bound(10).verdict(15) == "missed by factor 1.50"
    assert Bound(10, at_least=True).verdict(10) == "ok"
    assert Bound(10, at_least=True).verdict(4) == "missed by factor 2.50"


def test_a_bound_that_rests_on_a_quoted_figure_says_so():
    assert str(Bound(1.4, quoted=True)) == "<= 1.4 (quoted)"
    assert str(Bound(2, at_least=True)) == ">= 2"


@pytest.mark.parametrize(("percent", "expected"), [(50, 5), (90, 9), (99, 10), (100, 10), (1, 1)])
def test_a_percentile_is_the_smallest_value_that_covers_so_many(percent: float, expected: float):
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == expected


def test_no_values_have_no_percentile():
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_the_slope_is_what_one_more_costs():
    assert slope([(1, 12), (10, 30), (100, 210)]) == pytest.approx(2)


def test_numbers_are_shown_with_what_matters():
    assert [show(value) for value in (12345.6, 1.2345, None)] == ["12,346", "1.23", "-"]


def test_a_report_prints_every_bound_and_names_what_is_missed(capsys: pytest.CaptureFixture[str]):
    report = Report("hop")
    report.add("speed", 5, "1/s", Bound(10, at_least=True))
    report.add("operator", None, "%", Bound(2), "no operator yet")
    report.print()
    printed = capsys.readouterr().out
    assert [figure.name for figure in report.missed] == ["speed"]
    assert "speed: missed by factor 2.00" in printed
    assert "not measured" in printed


def test_reports_of_several_programs_share_a_file(tmp_path: Path):
    path = tmp_path / "artifacts" / "bench.json"
    for name, value in (("one", 1), ("two", 2), ("one", 3)):
        report = Report(name)
        report.add("figure", value, "s", Bound(2))
        report.save(path)
    kept = json.loads(path.read_text())
    assert {name: section["figures"][0]["value"] for name, section in kept.items()} == {"one": 3, "two": 2}
    assert kept["one"]["figures"][0]["verdict"] == "missed by factor 1.50"


def test_the_page_gets_the_tables_that_were_measured_and_keeps_the_others():
    report = Report("one")
    report.add("figure", 3, "s", Bound(2))
    text = "a\n<!-- bench:one -->\nold\n<!-- end -->\nb\n<!-- bench:two -->\nkept\n<!-- end -->\n"
    written = page.write_tables(text, {"one": report.document()})
    assert "old" not in written
    assert "| figure | 3 s | <= 2 | missed by factor 1.50 |  |" in written
    assert "<!-- bench:two -->\nkept\n<!-- end -->" in written
    assert page.write_tables(written, {"one": report.document()}) == written
