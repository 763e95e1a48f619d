"""Pods without the credentials that AWS was to give them are made anew once each, and less and less often."""

from datetime import UTC, datetime, timedelta
from typing import Any

from asya_operator.credentials import FIRST_S, LONGEST_S, CredentialRetries

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
KEY = ("team", "ocr")


def pod(uid: str, *, age_s: float = 3600.0, credentials: bool = False, **status: Any) -> dict[str, Any]:
    made = (NOW - timedelta(seconds=age_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    meta = {"name": uid, "uid": uid, "creationTimestamp": made}
    return {"metadata": meta, "spec": {"awsCredentials": credentials}, "status": {"phase": "Running", **status}}


def uids(pods: Any) -> list[str]:
    return [each["metadata"]["uid"] for each in pods]


def test_a_pod_gets_time_before_it_is_made_anew() -> None:
    retries = CredentialRetries()
    assert retries.due(KEY, [pod("a", age_s=4.0)], NOW) == ([], FIRST_S - 4.0)
    chosen, again_s = retries.due(KEY, [pod("a", age_s=4.0)], NOW + timedelta(seconds=6))
    assert (uids(chosen), again_s) == (["a"], 2 * FIRST_S)


def test_those_that_have_credentials_or_have_ended_are_left_alone() -> None:
    gone = pod("gone")
    gone["metadata"]["deletionTimestamp"] = "2026-03-01T11:59:59Z"
    pods = [pod("fine", credentials=True), pod("done", phase="Succeeded"), pod("failed", phase="Failed"), gone]
    assert CredentialRetries().due(KEY, pods, NOW) == ([], None)


def test_no_pod_is_made_anew_twice_and_rounds_come_less_and_less_often() -> None:
    """There may be no association at all: an actor must not be restarted for ever at the same pace."""
    retries, now, rounds = CredentialRetries(), NOW, []
    for number in range(12):
        chosen, _ = retries.due(KEY, [pod(str(number))], now)
        assert uids(chosen) == [str(number)]
        assert retries.due(KEY, [pod(str(number)), pod("next")], now)[0] == []
        rounds.append(retries.due(KEY, [pod("next")], now)[1] or 0.0)
        now += timedelta(seconds=rounds[-1])
        assert retries.due(KEY, [pod(str(number))], now)[0] == [], "made anew once"
    assert rounds[:3] == [2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert rounds[-1] == LONGEST_S


def test_pods_with_credentials_begin_the_count_anew() -> None:
    retries = CredentialRetries()
    retries.due(KEY, [pod("a")], NOW)
    assert retries.due(KEY, [pod("b", age_s=5.0)], NOW)[1] == 2 * FIRST_S
    retries.due(KEY, [pod("b", credentials=True)], NOW)
    assert retries.due(KEY, [pod("c", age_s=5.0)], NOW)[1] == FIRST_S - 5.0
