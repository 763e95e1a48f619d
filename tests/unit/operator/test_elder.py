"""Of two operators that would keep the same actors the younger stands by, until the other is gone."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from asya_kube.api import ApiError
from asya_operator.elder import Elders, elder_of

pytestmark = pytest.mark.unit
POD = "asya-operator-7d9c5b8f6d-x2x4z"
OWN = "mine"


def deployment(namespace: str, year: int, *, its_class: str = "", watches: str = "", **spec: Any) -> dict[str, Any]:
    given = {"ASYA_OPERATOR_CLASS": its_class, "ASYA_WATCH_NAMESPACES": watches, "ASYA_TRANSPORT_CONFIG": "{}"}
    manager = {"name": "manager", "env": [{"name": name, "value": value} for name, value in given.items()]}
    created = f"{year}-01-01T00:00:00Z"
    return {
        "metadata": {"namespace": namespace, "name": "asya-operator", "creationTimestamp": created},
        "spec": {"template": {"spec": {"containers": [manager]}}, **spec},
    }


def gone(thing: dict[str, Any]) -> dict[str, Any]:
    thing["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return thing


MINE = deployment(OWN, 2025)
GATEWAY = {
    "metadata": {"namespace": "team", "name": "asya-gateway"},
    "spec": {"template": {"spec": {"containers": [{"name": "gateway"}]}}},
}


@pytest.mark.parametrize(
    ("others", "first"),
    [
        ([], None),
        ([GATEWAY], None),
        ([deployment("old", 2024)], "old/asya-operator"),
        ([deployment("old", 2024), deployment("older", 2023)], "older/asya-operator"),
        ([deployment("young", 2026)], None),
        ([deployment("a", 2025)], "a/asya-operator"),
        ([deployment("z", 2025)], None),
        ([deployment("old", 2024, its_class="blue")], None),
        ([deployment("old", 2024, watches="team-a")], None),
        ([deployment("old", 2024, replicas=0)], None),
        ([gone(deployment("old", 2024))], None),
    ],
)
def test_whom_an_operator_stands_by_for(others: list[dict[str, Any]], first: str | None) -> None:
    found = elder_of(POD, OWN, [*others, MINE])
    assert (None if found is None else str(found)) == first


def test_of_any_two_exactly_one_stands_by() -> None:
    both = [deployment("a", 2025), deployment("b", 2025)]
    assert [elder_of(POD, each, both) is None for each in ("a", "b")] == [True, False]


@pytest.mark.parametrize("pod", ["laptop", "other-7d9c5b8f6d-x2x4z"])
def test_what_no_operator_s_deployment_made_stands_by_for_nobody(pod: str) -> None:
    assert elder_of(pod, OWN, [deployment("old", 2024), MINE]) is None


def test_one_of_some_namespaces_stands_by_for_nobody() -> None:
    own = deployment(OWN, 2025, watches="team-a")
    assert elder_of(POD, OWN, [deployment("old", 2024), own]) is None


class Api:
    """Shows the Deployments of a cluster at one time after another; the last stays."""

    def __init__(self, *shown: Sequence[dict[str, Any]] | ApiError) -> None:
        self._shown = list(shown)

    async def list(self, *_: object, **__: object) -> list[dict[str, Any]]:
        now = self._shown.pop(0) if len(self._shown) > 1 else self._shown[0]
        if isinstance(now, ApiError):
            raise now
        return list(now)


async def test_it_says_whom_it_waits_for_until_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[str | None] = []

    async def sleep(_: float) -> None:
        waits.append(elders.waits_for)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    both = [deployment("old", 2024), MINE]
    elders = Elders(Api(both, both, [MINE]), POD, OWN)  # type: ignore[arg-type]
    await elders.until_none()
    assert elders.waits_for is None
    assert len(waits) == 2
    assert all(
        each is not None and each.startswith("stands by: old/asya-operator keeps the same actors") for each in waits
    )


async def test_one_that_works_gives_way_to_an_elder_that_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_: float) -> None:
        return

    monkeypatch.setattr(asyncio, "sleep", sleep)
    both = [deployment("old", 2024), MINE]
    async with asyncio.timeout(5):
        await Elders(Api([MINE], [MINE], both), POD, OWN).until_one()  # type: ignore[arg-type]


async def test_a_cluster_that_does_not_say_is_no_reason_to_stand_by() -> None:
    async with asyncio.timeout(5):
        await Elders(Api(ApiError("forbidden")), POD, OWN).until_none()  # type: ignore[arg-type]
