"""What the operator tells of the versions that the mesh stands on."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import generate_latest

from asya_kube.api import ApiError
from asya_operator.metrics import Metrics
from asya_operator.surroundings import Surroundings

pytestmark = pytest.mark.unit
KEDA = {"metadata": {"labels": {"app.kubernetes.io/version": "2.20.1"}}}


class Api:
    """An API server's word on versions."""

    def __init__(self, keda: dict[str, Any] | Exception | None) -> None:
        self._keda = keda

    async def version(self) -> str:
        return "v1.33.4"

    async def get(self, _kind: object, _namespace: object, _name: str) -> dict[str, Any] | None:
        if isinstance(self._keda, Exception):
            raise self._keda
        return self._keda


async def told(keda: dict[str, Any] | Exception | None, brokers: list[str]) -> set[str]:
    metrics = Metrics()
    looking = asyncio.create_task(Surroundings(Api(keda), lambda: brokers, metrics).run())  # type: ignore[arg-type]
    text = ""
    while "part_version{" not in text:
        await asyncio.sleep(0)
        text = generate_latest(metrics.registry).decode()
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking
    return {line for line in text.splitlines() if line.startswith("asya_operator_part_")}


async def test_versions_ends_and_holes_are_told() -> None:
    lines = await told(KEDA, ["4.3", "4.3"])
    assert 'asya_operator_part_version{part="Kubernetes",version="v1.33.4"} 1.0' in lines
    assert 'asya_operator_part_version{part="RabbitMQ",version="4.3"} 1.0' in lines
    assert 'asya_operator_part_known_hole{hole="CVE-2026-77524",part="KEDA",version="2.20.1"} 1.0' in lines
    ends = {line.split("} ")[0]: float(line.split("} ")[1]) for line in lines if "_ends_" in line}
    assert len(ends) == 2
    assert all(1.78e9 < value < 1.80e9 for value in ends.values())


@pytest.mark.parametrize("keda", [None, {"metadata": {}}, ApiError("forbidden")])
async def test_what_is_not_said_is_not_told(keda: dict[str, Any] | Exception | None) -> None:
    lines = await told(keda, [])
    assert 'asya_operator_part_version{part="Kubernetes",version="v1.33.4"} 1.0' in lines
    assert not any("KEDA" in line or "RabbitMQ" in line for line in lines)
