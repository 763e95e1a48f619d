"""Callbacks' decisions: which addresses are let in, what an answer means, and how long a delivery is tried."""

from datetime import UTC, datetime, timedelta

import pytest

from asya_gateway.callbacks.rule import Allowed, Attempt, choose_address, judge, read_allowed, read_retry_after

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LAST = NOW + timedelta(days=1)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1",
        "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254",
        "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::1", "2002:a00:1::1", "4000::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_of_the_public_internet_are_not_let_in(address: str) -> None:
    assert not Allowed().let_in("a.example", address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]
)
def test_public_addresses_are_let_in(address: str) -> None:
    assert Allowed().let_in("a.example", address)


def test_a_setting_lets_networks_and_hosts_in_and_nothing_beside_them() -> None:
    allowed = read_allowed("10.1.0.0/16, Receiver.internal,fd00::/8, 127.0.0.1")
    assert allowed.let_in("x", "10.1.200.3")
    assert allowed.let_in("x", "::ffff:10.1.200.3")
    assert allowed.let_in("x", "fd12::1")
    assert allowed.let_in("receiver.internal", "192.168.0.1")
    assert allowed.let_in("x", "127.0.0.1")
    for host, address in (
        ("x", "10.2.0.1"),
        ("sub.receiver.internal", "192.168.0.1"),
        ("x", "127.0.0.2"),
        ("x", "::1"),
    ):
        assert not allowed.let_in(host, address)
    assert read_allowed("") == Allowed()


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0", "http://a", "a/b", "ä.example"])
def test_what_is_neither_a_network_nor_a_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is neither a network"):
        read_allowed(text)


def test_the_first_address_that_is_let_in_is_connected_to() -> None:
    assert choose_address(["10.0.0.1", "1.1.1.1", "1.0.0.1"], "x", Allowed()) == "1.1.1.1"
    assert choose_address(["10.0.0.1", "::1"], "x", Allowed()) is None
    assert choose_address([], "x", Allowed()) is None


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_an_answer_of_success_is_a_delivery(status: int) -> None:
    assert judge(Attempt(status), 1, NOW, LAST, 0.5).outcome == "delivered"


@pytest.mark.parametrize("attempt", [Attempt(410), Attempt(problem="refused", hopeless=True)])
def test_what_cannot_come_to_be_is_a_dead_letter_at_once(attempt: Attempt) -> None:
    assert judge(attempt, 1, NOW, LAST, 0.5).outcome == "dead"


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 408, 429, 500, 502, 503, 504])
def test_any_other_answer_is_tried_again_a_redirect_too(status: int) -> None:
    found = judge(Attempt(status), 1, NOW, LAST, 0.5)
    assert (found.outcome, found.pause_s, found.told) == ("again", 2.0, f"answered {status}")


def test_pauses_double_up_to_an_hour_and_are_spread_by_a_quarter() -> None:
    pauses = [judge(Attempt(500), number, NOW, LAST, 0.5).pause_s for number in range(1, 15)]
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600]
    assert [judge(Attempt(500), 3, NOW, LAST, chance).pause_s for chance in (0, 1)] == [6, 10]


def test_a_delivery_is_tried_for_a_day_and_then_dead() -> None:
    now, attempts = NOW, 0
    while (found := judge(Attempt(problem="no answer"), attempts := attempts + 1, now, LAST, 0.5)).outcome == "again":
        now += timedelta(seconds=found.pause_s)
    assert (found.outcome, found.told) == ("dead", "no answer")
    assert timedelta(hours=23) < now - NOW <= timedelta(hours=24)
    assert 30 < attempts < 40


@pytest.mark.parametrize(
    ("asked", "pause_s"),
    [("120", 120), ("0", 1), (" 7 ", 7), ("Thu, 01 Jan 2026 00:10:00 GMT", 600), ("Wed, 31 Dec 2025 00:00:00 GMT", 1)],
)
def test_a_receiver_s_retry_after_is_honoured(asked: str, pause_s: float) -> None:
    found = judge(Attempt(503, asked), 9, NOW, LAST, 0.5)
    assert (found.outcome, found.pause_s) == ("again", pause_s)


@pytest.mark.parametrize(
    "asked", ["", "soon", "-1", "1.5", "\u0661", "9" * 400, "Thu, 99 Jan 2026 00:00:00 GMT", "0x10"]
)
def test_a_retry_after_that_is_none_counts_for_nothing(asked: str) -> None:
    assert read_retry_after(asked, NOW) is None


def test_a_receiver_that_asks_for_more_than_there_is_time_is_not_asked_again() -> None:
    assert judge(Attempt(503, "90000"), 1, NOW, LAST, 0.5).outcome == "dead"


def test_what_is_told_of_a_failure_is_short() -> None:
    assert len(judge(Attempt(problem="x" * 9999), 1, NOW, LAST, 0.5).told) == 200
