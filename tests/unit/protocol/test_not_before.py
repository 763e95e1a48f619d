"""The moment before which no handler may take an envelope: what a sender may ask for, and what is refused."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from asya_protocol import names
from asya_protocol.envelope import format_time
from asya_protocol.errors import InvalidEnvelope
from asya_protocol.new_envelope import new_envelope
from asya_protocol.not_before import choose, left_s, parse_moment, read_not_before

NOW = datetime(2026, 12, 1, 7, 0, tzinfo=UTC)
WEEK_S = 7 * 86400.0


@pytest.mark.parametrize(
    ("delay_s", "moment", "expected"),
    [
        (None, None, None),
        (0.0, None, None),
        (1200.0, None, NOW + timedelta(minutes=20)),
        (WEEK_S, None, NOW + timedelta(days=7)),
        (None, "2026-12-01T08:00Z", NOW + timedelta(hours=1)),
        (None, "2026-12-01T09:00:00+01:00", NOW + timedelta(hours=1)),
        (None, "2026-12-01T06:59:59.999Z", None),  # has passed: at once
        (None, "1970-01-01T00:00Z", None),
    ],
)
def test_a_sender_asks_for_a_moment(delay_s: float | None, moment: str | None, expected: datetime | None) -> None:
    assert choose(delay_s, moment, NOW, WEEK_S) == expected


@pytest.mark.parametrize(
    ("delay_s", "moment", "text"),
    [
        (5.0, "2026-12-01T08:00Z", "a delay and a moment"),
        (float("nan"), None, "must be a number of seconds, 0 or more, not nan"),
        (float("inf"), None, "must be a number of seconds, 0 or more, not inf"),
        (-1.0, None, "must be a number of seconds, 0 or more, not -1.0"),
        (WEEK_S + 60, None, "a wait of 168h1m0s, longer than the 168h0m0s that ASYA_LONGEST_WAIT allows"),
        (None, "2062-12-01T08:00Z", "longer than the 168h0m0s that ASYA_LONGEST_WAIT allows"),
        (None, "2026-12-01T08:00", "has no zone"),
        (None, "2026-12-01", "has no zone"),
        (None, "tomorrow", "must be a time with its zone such as 2026-12-01T08:00Z or .*, not 'tomorrow'"),
        (None, "2026-02-30T08:00Z", "must be a time with its zone"),
        (None, "0001-01-01T00:00+23:00", "must be a time with its zone"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(delay_s: float | None, moment: str | None, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        choose(delay_s, moment, NOW, WEEK_S)


@pytest.mark.parametrize("value", [5, True, [], {"at": 1}, "2026-12-01T08:00", "", float("nan")])
def test_a_header_that_is_no_moment_is_named(value: object) -> None:
    with pytest.raises(InvalidEnvelope, match=r"Header 'x-asya-not-before' must be a time with its zone"):
        read_not_before({names.HEADER_NOT_BEFORE: value})


def test_what_is_left_never_falls_below_nothing() -> None:
    assert left_s(None, NOW) == 0
    assert left_s(NOW - timedelta(days=1), NOW) == 0
    assert left_s(NOW + timedelta(seconds=1.5), NOW) == 1.5


def test_an_envelope_whose_deadline_passes_while_it_waits_is_not_made() -> None:
    """The clock of a deadline runs while an envelope waits."""
    at = NOW + timedelta(minutes=20)
    make = partial(new_envelope, ["ocr"], b"1", envelope_id="e", trace_id="a" * 32, span_id="b" * 16, not_before=at)
    with pytest.raises(InvalidEnvelope, match="its deadline 2026-12-01T07:05:00Z passes while it waits until"):
        make(deadline=NOW + timedelta(minutes=5))
    made = make(deadline=at + timedelta(minutes=5))
    assert made.headers[names.HEADER_NOT_BEFORE] == format_time(at)
    assert parse_moment(made.headers[names.HEADER_NOT_BEFORE]) == at
