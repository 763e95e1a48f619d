"""Which reconciles ask the broker about a queue: the first, one after a change or an invalidation, and now and then."""

import asyncio
import base64
import json
from typing import Any, ClassVar

import pytest

from asya_kube.api import ApiError, ApiSilent
from asya_kube.resources import ACTOR, Kind
from asya_manifest.actor import parse_actor
from asya_operator import queues as module
from asya_operator.metrics import Metrics
from asya_operator.poller import Depths, Poller
from asya_operator.queues import ADMIN_IDLE_S, ENSURED_S, Queues, admin_settings
from asya_operator.reconcile import UNSETTLED_S, unsettled_s
from asya_operator.transport_config import parse_transports
from asya_operator.world import World
from asya_protocol.errors import TransportUnavailable
from asya_protocol.names import QueueNames
from asya_transport.port import Depth
from tests.support.actors import actor

TRANSPORTS = parse_transports(
    json.dumps({"transports": {"sqs": {"type": "sqs", "enabled": True, "config": {"region": "eu-west-1"}}}})
)
SQS = TRANSPORTS.get("sqs")


class Broker:
    """Stands where a queue admin does, and counts what it is asked."""

    requests: ClassVar[dict[str, int]] = {"ListQueues": 2}

    alarms: tuple[str, ...] = ("memory",)

    def __init__(self) -> None:
        self.made: list[str] = []
        self.away = False
        self.names = {"asya-a"}
        self.listed: dict[str, Depth] = {}
        self.counted: list[str] = []
        self.asked = 0
        self.changed = asyncio.Condition()

    async def create(self, queue: str, spec: Any) -> None:
        if self.away:
            raise TransportUnavailable("away")
        self.made.append(f"{queue} {spec.max_deliveries}")

    async def was_asked(self, times: int) -> None:
        wanted = self.asked + times
        async with self.changed:
            await self.changed.wait_for(lambda: self.asked >= wanted)

    async def measure(self, queue: str) -> Depth:
        self.counted.append(queue)
        return self.listed.get(queue, Depth(0))

    async def list_queues(self, prefix: str) -> dict[str, Depth | None]:
        async with self.changed:
            self.asked += 1
            self.changed.notify_all()
        if self.away:
            raise TransportUnavailable("away")
        return {name: self.listed.get(name) for name in sorted(self.names)}

    async def delete(self, queue: str, *, force: bool) -> bool:
        return True


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(module, "open_admin", lambda _settings: broker)
    return broker


@pytest.fixture
def queues(broker: Broker) -> Queues:
    return Queues(api=None, namespace="asya", names=QueueNames(), manage=True)  # type: ignore[arg-type]  # no secrets: nothing is read


async def test_a_queue_that_was_made_is_not_made_again_by_the_next_look(broker: Broker, queues: Queues) -> None:
    declared = parse_actor(actor("a", "sqs"))
    for _ in range(3):
        await queues.ensure(declared, SQS, "n")
    assert broker.made == ["asya-a 20"]


async def test_a_changed_wish_a_doubt_a_deletion_and_time_make_it_ask_again(
    broker: Broker, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = parse_actor(actor("a", "sqs"))
    now_s = 1000.0
    monkeypatch.setattr("asya_operator.queues.time.monotonic", lambda: now_s)
    await queues.ensure(declared, SQS, "n")
    await queues.ensure(parse_actor(actor("a", "sqs", delivery={"maxDeliveries": 9})), SQS, "n")
    queues.invalidate(SQS, "asya-b")
    await queues.ensure(parse_actor(actor("a", "sqs", delivery={"maxDeliveries": 9})), SQS, "n")
    assert broker.made == ["asya-a 20", "asya-a 36"]
    queues.invalidate(SQS, "asya-a")
    await queues.ensure(declared, SQS, "n")
    queues.invalidate(SQS)
    await queues.ensure(declared, SQS, "n")
    await queues.delete("asya-a", SQS, "n", force=False)
    await queues.ensure(declared, SQS, "n")
    assert len(broker.made) == 5
    now_s += ENSURED_S
    await queues.ensure(declared, SQS, "n")
    assert len(broker.made) == 6


async def test_a_failure_is_not_remembered_as_made(broker: Broker, queues: Queues) -> None:
    declared = parse_actor(actor("a", "sqs"))
    broker.away = True
    with pytest.raises(TransportUnavailable):
        await queues.ensure(declared, SQS, "n")
    broker.away = False
    await queues.ensure(declared, SQS, "n")
    assert broker.made == ["asya-a 20"]


async def test_who_changes_a_secret_again_and_again_keeps_no_connection_for_each_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s, closed = 1000.0, list[object]()

    class Admin(Broker):
        requests: ClassVar[dict[str, int]] = {"ListQueues": 1}

        async def close(self) -> None:
            closed.append(self)

    class Changing:
        """A stand-in for an API server whose secret is another one each time."""

        async def get(self, *_: object) -> dict[str, Any]:
            return {"data": {"password": base64.b64encode(str(now_s).encode()).decode()}}

    monkeypatch.setattr("asya_operator.queues.time.monotonic", lambda: now_s)
    monkeypatch.setattr(module, "open_admin", lambda _settings: Admin())
    queues = Queues(Changing(), "asya", QueueNames(), manage=True)  # type: ignore[arg-type]
    transport = WITH_SECRET.get("rabbitmq")
    for _ in range(100):
        await queues.existing(transport, "n")
        now_s += ADMIN_IDLE_S / 4
    assert len(queues._admins) <= 5
    assert len(closed) + len(queues._admins) == 100
    assert queues.requests() == {"ListQueues": 100}, "what was billed stays counted"


def poller(world: World, queues: Queues, depths: Depths, told: list[tuple[str, str]]) -> Poller:
    parts: dict[str, Any] = {"enqueue": told.append, "every_s": 0.0, "metrics": Metrics()}
    return Poller(world=world, queues=queues, depths=depths, transports=TRANSPORTS, **parts)


async def test_idle_queues_whose_depth_comes_with_the_list_are_not_counted_one_by_one(
    broker: Broker, queues: Queues
) -> None:
    """RabbitMQ tells all of them at once; a queue that holds something is counted, which is newer."""
    world, depths = World(), Depths()
    for name in ("a", "b", "c"):
        declared = actor(name, "sqs")
        declared["metadata"] |= {"namespace": "n", "uid": name}
        world.note(ACTOR, "ADDED", declared)
    broker.names = {"asya-a", "asya-b", "asya-c"}
    broker.listed = {"asya-a": Depth(0), "asya-b": Depth(2)}
    told: list[tuple[str, str]] = []
    task = asyncio.create_task(poller(world, queues, depths, told).run())
    await broker.was_asked(10)
    assert set(broker.counted) == {"asya-b", "asya-c"}
    assert broker.counted.count("asya-c") == 1, "once a minute, where the list does not tell"
    assert broker.counted.count("asya-b") > 1
    assert sorted(told) == [("n", "a"), ("n", "b"), ("n", "c")], "each when first counted"
    assert depths.of(("n", "b")) == Depth(2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Secrets:
    """A stand-in for an API server that has nothing but these secrets, by namespace."""

    def __init__(self, *namespaces: str, error: ApiError | None = None, closed: str = "") -> None:
        self.namespaces = namespaces
        self.error = error
        self.closed = closed
        self.asked: list[str] = []

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        self.asked.append(namespace)
        if self.error is not None:
            raise self.error
        if namespace == self.closed:
            raise ApiError(f"403 secrets in {namespace} are forbidden")
        return {"data": {"password": "cGFzcw=="}} if namespace in self.namespaces else None


WITH_SECRET = parse_transports(
    json.dumps(
        {
            "transports": {
                "rabbitmq": {
                    "type": "rabbitmq",
                    "enabled": True,
                    "config": {"host": "mq", "passwordSecretRef": {"name": "mq", "key": "password"}},
                }
            }
        }
    )
)


def known(*keys: tuple[str, str]) -> World:
    world = World()
    for namespace, name in keys:
        declared = actor(name, "rabbitmq")
        declared["metadata"] |= {"namespace": namespace, "uid": name}
        world.note(ACTOR, "ADDED", declared)
    return world


async def test_a_namespace_without_the_secret_blinds_nobody_else(broker: Broker) -> None:
    world, depths, queues = (
        known(("a", "one"), ("b", "two")),
        Depths(),
        Queues(Secrets("b"), "asya", QueueNames(), manage=True),  # type: ignore[arg-type]
    )
    broker.names = {"asya-one", "asya-two"}
    broker.listed = {"asya-two": Depth(7)}
    parts: dict[str, Any] = {"enqueue": lambda _key: None, "every_s": 0.0, "metrics": Metrics()}
    task = asyncio.create_task(Poller(world=world, queues=queues, depths=depths, transports=WITH_SECRET, **parts).run())
    async with asyncio.timeout(60):
        await broker.was_asked(2)
    assert depths.of(("b", "two")) == Depth(7)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_operator_without_rights_in_its_own_namespace_reads_the_secret_of_the_actor_s(broker: Broker) -> None:
    transport = WITH_SECRET.get("rabbitmq")
    api = Secrets("a", closed="asya")
    await Queues(api, "asya", QueueNames(), manage=True).existing(transport, "a")  # type: ignore[arg-type]
    assert api.asked == ["asya", "a"]
    nowhere = Queues(Secrets(closed="asya"), "asya", QueueNames(), manage=True)  # type: ignore[arg-type]
    with pytest.raises(module.CredentialsMissing, match="in neither namespace asya nor a; asya cannot be read: 403"):
        await nowhere.existing(transport, "a")


async def test_an_api_server_that_is_away_is_not_asked_in_every_namespace() -> None:
    api = Secrets(error=ApiSilent("cannot be reached"))
    with pytest.raises(TransportUnavailable) as raised:
        await Queues(api, "asya", QueueNames(), manage=True).existing(WITH_SECRET.get("rabbitmq"), "a")  # type: ignore[arg-type]
    assert not isinstance(raised.value, module.CredentialsMissing)


async def test_every_actor_is_told_once_that_its_broker_is_away(broker: Broker, queues: Queues) -> None:
    world = World()
    for name in ("a", "b"):
        declared = actor(name, "sqs")
        declared["metadata"] |= {"namespace": "n", "uid": name}
        world.note(ACTOR, "ADDED", declared)
    told: list[tuple[str, str]] = []
    broker.away = True
    task = asyncio.create_task(poller(world, queues, Depths(), told).run())
    await broker.was_asked(5)
    assert told == [("n", "a"), ("n", "b")]
    broker.away = False
    await broker.was_asked(3)
    assert ("n", "b") not in told[2:], "its queue was not ensured yet"
    await queues.ensure(parse_actor(actor("b", "sqs")), SQS, "n")
    await broker.was_asked(3)
    assert told[2:].count(("n", "b")) == 1, "its queue is missing, and that is told once"
    assert told[2:].count(("n", "a")) <= 1, "its first count, and nothing else"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_an_actor_that_does_not_settle_is_looked_at_less_and_less_often() -> None:
    assert [unsettled_s(reconciles) for reconciles in range(1, 7)] == [5, 10, 20, 40, 60, 60]
    assert unsettled_s(10_000) == UNSETTLED_S[1]


async def test_the_operator_s_own_secret_is_looked_for_beside_the_operator_alone() -> None:
    """Or whoever writes secrets in an actors' namespace would choose as whom the operator signs in."""
    ref = {"name": "mq", "key": "password"}
    config = {"host": "mq", "passwordSecretRef": ref, "operator": {"username": "makes", "passwordSecretRef": ref}}
    document = {"transports": {"rabbitmq": {"type": "rabbitmq", "enabled": True, "config": config}}}
    transport = parse_transports(json.dumps(document)).get("rabbitmq")
    api = Secrets("a")
    with pytest.raises(module.CredentialsMissing, match="not in namespace asya"):
        await Queues(api, "asya", QueueNames(), manage=True).existing(transport, "a")  # type: ignore[arg-type]
    assert api.asked == ["asya"]
    assert "//makes:p%2F@mq:" in admin_settings(transport, ["p/"]).rabbitmq_url
