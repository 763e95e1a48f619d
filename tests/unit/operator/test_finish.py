"""The end of an actor whose broker does not take the deletion of its queue."""

import json
from typing import Any

from asya_operator import resources
from asya_operator.finish import BROKER_PATIENCE_S, BROKER_PAUSE_S, FINALIZER, Finisher
from asya_operator.settings import OperatorSettings
from asya_operator.transport_config import TransportConfig, parse_transports
from asya_operator.world import World
from asya_protocol.errors import TransportUnavailable

ACTOR: dict[str, Any] = {
    "metadata": {"namespace": "team", "name": "ocr", "uid": "u1", "finalizers": [FINALIZER, "theirs"]},
    "spec": {"transport": "sqs"},
}

TRANSPORTS = {"transports": {"sqs": {"type": "sqs", "enabled": True, "config": {"region": "eu-west-1"}}}}


class Api:
    """A stand-in for the API server that holds the actor alone."""

    def __init__(self) -> None:
        self.patches: list[dict[str, Any]] = []

    async def get(self, kind: resources.Kind, namespace: str, name: str) -> dict[str, Any] | None:
        return ACTOR if kind is resources.ACTOR else None

    async def patch(self, kind: resources.Kind, namespace: str, name: str, changes: dict[str, Any]) -> None:
        self.patches.append(changes)


class Queues:
    """A stand-in for a broker that is away so often, and then finds the queue empty."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    async def delete(self, queue: str, transport: TransportConfig, namespace: str, *, force: bool) -> bool:
        self.failures -= 1
        if self.failures >= 0:
            raise TransportUnavailable("away")
        return True


class Recorder:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def record(self, raw: dict[str, Any], kind: str, reason: str, message: str) -> None:
        self.told.append((kind, reason))


class Stage:
    """A finisher before a broker that fails so often."""

    def __init__(self, failures: int) -> None:
        self.api, self.recorder = Api(), Recorder()
        transports = parse_transports(json.dumps(TRANSPORTS))
        settings = OperatorSettings(transports=transports)
        parts: tuple[Any, ...] = (self.api, World(), Queues(failures), self.recorder, settings)
        self.finisher = Finisher(*parts)


async def test_a_broker_that_stumbles_is_asked_again() -> None:
    stage = Stage(2)
    for now_s in (0.0, BROKER_PAUSE_S):
        assert await stage.finisher.finish(ACTOR, now_s) == BROKER_PAUSE_S
    assert (stage.api.patches, stage.recorder.told) == ([], [])
    assert await stage.finisher.finish(ACTOR, 2 * BROKER_PAUSE_S) is None
    assert stage.recorder.told == [("Normal", "QueueDeleted")]
    assert stage.api.patches == [{"metadata": {"finalizers": ["theirs"]}}]


async def test_a_broker_that_stays_away_does_not_hold_an_actor() -> None:
    stage = Stage(1_000_000)
    assert await stage.finisher.finish(ACTOR, 0.0) == BROKER_PAUSE_S
    assert await stage.finisher.finish(ACTOR, BROKER_PATIENCE_S) is None
    assert stage.recorder.told == [("Warning", "QueueKept")]
    assert stage.api.patches == [{"metadata": {"finalizers": ["theirs"]}}]
