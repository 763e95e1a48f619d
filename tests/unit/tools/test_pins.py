"""Until when pins are supported: warned of before, refused after, and never unknown."""

from datetime import date

import pytest

from tools.pins import PINS, Pin, check

ENDS = date(2026, 7, 31)
SOURCE = "its makers"


def pin(pinned: str = "docker.io/library/rabbitmq:4.2.1-management") -> Pin:
    return Pin("RabbitMQ", pinned, {"4.2": ENDS, "4.4": date(2027, 7, 31)}, SOURCE)


@pytest.mark.parametrize(
    ("today", "fine", "lines"),
    [
        (date(2026, 5, 1), True, []),
        (date(2026, 5, 2), True, ["RabbitMQ 4.2.1-management: support of 4.2 ends on 2026-07-31 (its makers)"]),
        (ENDS, True, ["RabbitMQ 4.2.1-management: support of 4.2 ends on 2026-07-31 (its makers)"]),
        (date(2026, 8, 1), False, ["RabbitMQ 4.2.1-management: support of 4.2 ended on 2026-07-31 (its makers)"]),
    ],
)
def test_a_pin_is_warned_of_ninety_days_before_and_refused_after(today: date, fine: bool, lines: list[str]) -> None:
    assert check([pin()], today) == (fine, lines)


@pytest.mark.parametrize("pinned", ["rabbitmq:4.20.1", "rabbitmq:4.3.6-management", "4.3.6", "4"])
def test_a_pin_of_another_series_wants_a_date(pinned: str) -> None:
    fine, (line,) = check([pin(pinned)], date(2026, 1, 1))
    assert not fine
    assert "enter in tools/pins.py when the support of its series ends" in line


def test_the_table_knows_the_series_of_every_pin() -> None:
    assert check(PINS, date(2025, 1, 1)) == (True, [])
