"""Who holds the lease for how long, by a clock that the tests turn."""

import asyncio
import selectors
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from asya_kube.api import ApiUnavailable
from asya_operator import lease
from asya_operator.lease import (
    DURATION_S,
    LEASE_NAME,
    RENEW_DEADLINE_S,
    RETRY_S,
    Election,
    hold_apart,
    lease_name,
    taken,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class _Leap(selectors.SelectSelector):
    """Does not wait for time to pass, but lets it."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            self.now_s += timeout or 0.0
        return found


class Clockwork(asyncio.SelectorEventLoop):
    """An event loop whose clock goes only where somebody waits for it."""

    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return self._leap.now_s


class Api:
    """A stand-in for an API server with one lease; what it does before it answers is given.

    Attributes:
        written_s: When the lease was written, each time.
    """

    def __init__(self, before: Callable[[str, float], Awaitable[None]]) -> None:
        self.before = before
        self.stored: dict[str, Any] | None = None
        self.written_s: list[float] = []

    async def get(self, *_: object) -> dict[str, Any] | None:
        await self.before("get", asyncio.get_running_loop().time())
        return self.stored

    async def create(self, manifest: dict[str, Any]) -> None:
        self._write(manifest)
        await self.before("written", asyncio.get_running_loop().time())

    async def replace(self, manifest: dict[str, Any]) -> None:
        self._write(manifest)
        await self.before("written", asyncio.get_running_loop().time())

    def _write(self, manifest: dict[str, Any]) -> None:
        self.stored = manifest
        self.written_s.append(asyncio.get_running_loop().time())


def played(monkeypatch: pytest.MonkeyPatch, work: Coroutine[Any, Any, None]) -> float:
    """Run to the end; when that was."""
    loop = Clockwork()
    monkeypatch.setattr(lease, "time", SimpleNamespace(monotonic=loop.time))
    try:
        loop.run_until_complete(work)
        return loop.time()
    finally:
        loop.close()


async def taken_and_held(api: Any) -> None:
    election = Election(api, "asya", "me")
    await election.acquire()
    await Election(api, "asya", "me").hold(election.renewed_s)


async def _hang() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("slow_s", [0.0, 9.0])
@pytest.mark.parametrize("hangs_after_s", [0.0, 12.0, 18.5, 19.9])
def test_a_holder_gives_up_in_time_however_the_api_server_fails(
    monkeypatch: pytest.MonkeyPatch, slow_s: float, hangs_after_s: float
) -> None:
    async def before(what: str, now_s: float) -> None:
        if what == "written":
            await asyncio.sleep(slow_s)
        elif api.written_s:
            if now_s < api.written_s[-1] + hangs_after_s:
                raise ApiUnavailable("refused")
            await _hang()

    api = Api(before)
    ended_s = played(monkeypatch, taken_and_held(api))
    assert len(api.written_s) == 1
    assert ended_s - api.written_s[-1] <= RENEW_DEADLINE_S < DURATION_S


def test_a_lease_is_renewed_for_as_long_as_the_api_server_answers_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def before(what: str, now_s: float) -> None:
        if now_s > 1000:
            await _hang()
        await asyncio.sleep(4.0)

    api = Api(before)
    ended_s = played(monkeypatch, taken_and_held(api))
    assert api.written_s[-1] > 1000 - RENEW_DEADLINE_S
    assert ended_s > 1000


def test_a_lease_that_somebody_else_has_is_lost_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def before(what: str, now_s: float) -> None:
        if what == "get" and api.stored is not None:
            api.stored["spec"]["holderIdentity"] = "other"

    api = Api(before)
    assert played(monkeypatch, taken_and_held(api)) == RETRY_S


def test_a_try_that_hangs_does_not_keep_a_candidate_from_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    async def before(what: str, now_s: float) -> None:
        asked.append(now_s)
        if len(asked) == 1:
            await _hang()

    api = Api(before)
    loop_ended_s = played(monkeypatch, Election(api, "asya", "me").acquire())  # type: ignore[arg-type]
    assert api.written_s == [loop_ended_s]
    assert loop_ended_s < RENEW_DEADLINE_S


def test_a_new_holder_writes_a_transition_and_a_renewal_does_not() -> None:
    first = taken({}, "a", NOW)
    assert (first["holderIdentity"], first["leaseTransitions"]) == ("a", 0)
    renewed = taken(first, "a", NOW.replace(second=9))
    assert renewed["acquireTime"] == first["acquireTime"]
    assert renewed["renewTime"] > first["renewTime"]
    assert taken(renewed, "b", NOW)["leaseTransitions"] == 1


class Renewals:
    """A stand-in for a connection to an API server whose lease is ours; says when it was renewed three times."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.three = threading.Event()
        self.count = 0

    async def __aenter__(self) -> "Renewals":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def get(self, *_: object) -> dict[str, Any]:
        self.began.set()
        return {"metadata": {}, "spec": {"holderIdentity": "me"}}

    async def replace(self, _manifest: object) -> None:
        self.count += 1
        if self.count == 3:
            self.three.set()


async def test_a_lease_is_renewed_while_the_main_loop_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Renewals()
    monkeypatch.setattr(lease, "KubeApi", lambda: api)
    monkeypatch.setattr(lease, "RETRY_S", 0.01)
    holding = asyncio.create_task(hold_apart("asya", "me", time.monotonic()))
    assert await asyncio.to_thread(api.began.wait, 10)
    assert api.three.wait(10), "this wait holds the main loop"
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding


def test_operators_of_two_classes_in_one_namespace_have_a_lease_each() -> None:
    assert lease_name("") == LEASE_NAME
    assert lease_name("blue") == "asya-operator-blue.asya.sh"
