"""The actors that the console shows: who is believed about what, and what is said when nobody knows."""

import asyncio
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asya_gateway.actors import board as actor_board
from asya_gateway.actors.board import ActorBoard
from asya_gateway.actors.port import ActorsUnknown
from asya_gateway.actors.sources import MeshStatusFile, QueuesAlone, check_source, default_source, open_source
from asya_gateway.actors.view import ActorList, ActorView, list_body, view_of_object, views_of_mesh
from asya_gateway.records.lifecycle import Progress
from asya_gateway.records.record import Record
from asya_gateway.settings import read_settings
from asya_gateway.store.memory import MemoryStore
from asya_local.mesh_status import ActorStatus, MeshStatus
from asya_protocol import names
from asya_protocol.errors import SettingsError, TransportUnavailable
from asya_transport.port import Depth
from tests.support.queue_admin import Admin


class Source:
    """Says what it is told to say."""

    name = "kubernetes"

    def __init__(self, *actors: ActorView) -> None:
        self.views: list[ActorView] | None = list(actors)
        self.problem = ""

    async def actors(self) -> list[ActorView] | None:
        if self.problem:
            raise ActorsUnknown(self.problem)
        return self.views

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look every time one asks."""
    monkeypatch.setattr(actor_board, "BEAT_S", 0.0)


def board(
    source: Any, admin: Admin, *known: str, store: MemoryStore | None = None, prefix: str = names.QUEUE_PREFIX
) -> ActorBoard:
    return ActorBoard(source, admin, store or MemoryStore(), lambda: known, names.QueueNames(prefix))


async def test_queues_alone_make_a_list_with_depths_and_rates(always: None) -> None:
    store, now = MemoryStore(), datetime.now(UTC)
    await store.create(Record("e", ("ocr",), now, now))
    await store.report("e", Progress(("ocr",), 0, "completed"))
    admin = Admin(ocr=Depth(3, 1, 2), ocr_dlq=Depth(4), happy_end=Depth(0))
    found = await board(QueuesAlone(), admin, "named", store=store).look()
    assert found.actors == (
        ActorView("named", rate=0.0),
        ActorView("ocr", queued=5, in_flight=1, dead_letters=4, rate=0.1),
        ActorView("happy-end", queued=0, in_flight=0),
    )
    assert (found.source, found.problems) == ("queues", ())


async def test_only_queues_of_the_own_prefix_are_looked_for(always: None) -> None:
    admin = Admin(theirs=Depth(1))
    admin.depths["team-b-ours"] = Depth(2)
    assert [actor.name for actor in (await board(QueuesAlone(), admin, prefix="team-b-").look()).actors] == ["ours"]


async def test_a_broker_that_lists_nothing_leaves_the_actors_of_the_tools(always: None) -> None:
    admin = Admin()
    admin.problem = TransportUnavailable("the broker is away")
    found = await board(QueuesAlone(), admin, "ocr").look()
    assert [actor.name for actor in found.actors] == ["ocr"]
    assert found.problems == (
        "the broker did not list its queues: the broker is away",
        "the broker did not say how much waits: the broker is away",
    )


async def test_of_a_cluster_status_is_believed_and_queues_are_counted(always: None) -> None:
    view = ActorView("ocr", "ml", "Napping", "", 0, 0, queued=99, in_flight=9)
    source, admin = Source(view), Admin(ocr=Depth(1))
    asked = board(source, admin)
    assert (await asked.look()).actors == (replace(view, queued=1, in_flight=0, rate=0.0),)
    admin.problem = TransportUnavailable("away")
    assert (await asked.look()).actors[0].queued == 1  # as last counted
    source.problem = "no answer"
    found = await asked.look()
    assert (found.problems[0], [actor.name for actor in found.actors]) == ("no answer", ["ocr"])


async def test_of_a_local_mesh_depths_are_believed_too(always: None) -> None:
    view = ActorView("ocr", None, "Running", "", 1, 1, queued=5, in_flight=1, rate=2.0)
    admin = Admin(ocr=Depth(77), ocr_dlq=Depth(3))
    assert (await board(Source(view), admin).look()).actors == (replace(view, dead_letters=3),)
    assert admin.measured == ["asya-ocr-dlq"]


async def test_many_queues_are_measured_in_turn(always: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor_board, "QUEUES_PER_LOOK", 4)
    admin = Admin(**{f"a{number}": Depth(number) for number in range(10)})
    asked = board(Source(*(ActorView(f"a{number}") for number in range(10))), admin)
    for _ in range(5):
        admin.measured.clear()
        found = await asked.look()
        assert len(admin.measured) == 4
    assert [actor.queued for actor in found.actors] == list(range(10))


async def test_many_who_ask_at_once_cost_one_look() -> None:
    admin = Admin(ocr=Depth(1))
    asked = board(Source(ActorView("ocr")), admin)
    await asyncio.gather(*(asked.look() for _ in range(50)))
    assert sorted(admin.measured) == ["asya-ocr", "asya-ocr-dlq"]


OBJECTS: list[tuple[dict[str, Any], ActorView]] = [
    ({"metadata": {"name": "a", "namespace": "n"}}, ActorView("a", "n", "Unknown")),
    (
        {
            "metadata": {"name": "a", "namespace": "n"},
            "status": {
                "status": "Running", "readyReplicas": 2, "desiredReplicas": 3, "queuedMessages": 7, "processingMessages": 1,
                "conditions": [
                    {"type": "x", "status": "True", "message": "fine"}, {"type": "y", "status": "False", "message": "bad"},
                ],
            },
        },
        ActorView("a", "n", "Running", "bad", 2, 3, 7, 1),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("document", "view"), OBJECTS)
def test_an_async_actor_is_read_with_or_without_a_status(document: dict[str, Any], view: ActorView) -> None:
    assert view_of_object(document) == view


def test_what_a_local_mesh_writes_is_read() -> None:
    actor = ActorStatus("ocr", "Degraded", 1, 2, 0, 4, 5, 6, 7, 8, 9, "why", 1.5, 0.2, None)
    written = MeshStatus(True, "sqs", 1.0, [actor]).as_json()
    assert views_of_mesh(written) == [ActorView("ocr", None, "Degraded", "why", 1, 2, 5, 6, None, 1.5, 0.2, None)]


@pytest.mark.parametrize("document", [None, [], {}, {"actors": 1}, {"actors": [1]}, {"actors": [{"name": "a"}]}])
def test_what_is_no_status_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="no status of a local mesh"):
        views_of_mesh(document)


async def test_a_mesh_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ActorsUnknown, match="no mesh is running"):
        await MeshStatusFile(tmp_path / "status.json").actors()


def test_unknown_values_are_null_in_json() -> None:
    body = list_body(ActorList("queues", (ActorView("a"),)))
    assert (body["total"], body["dead_letters"]) == (1, 0)
    (actor,) = msgspec.json.decode(msgspec.json.encode(body))["actors"]
    assert actor == {**dict.fromkeys(asdict(ActorView("a"))), "name": "a", "message": ""}


def test_of_thousands_those_are_shown_that_want_looking_at() -> None:
    calm = [ActorView(f"a{number:04}", status="Running", queued=number) for number in range(2000)]
    wanted = [ActorView("b", status="RuntimeError"), ActorView("c", status="Running", dead_letters=2)]
    body = list_body(ActorList("kubernetes", (*calm, *wanted)))
    names = [actor["name"] for actor in msgspec.json.decode(msgspec.json.encode(body))["actors"]]
    assert (len(names), body["total"], body["dead_letters"]) == (300, 2002, 2)
    assert names == [*(f"a{number:04}" for number in range(1702, 2000)), "b", "c"]
    assert list_body(ActorList("kubernetes", (*calm, *wanted)), "a000")["total"] == 10


async def test_a_source_that_takes_long_is_asked_less_often(always: None, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("asya_gateway.actors.board.time.monotonic", lambda: now[0])

    class Slow(Source):
        async def actors(self) -> list[ActorView] | None:
            asked.append(now[0])
            now[0] += 3.0
            return [ActorView("ocr", "ml", "Running")]

    asked: list[float] = []
    watched = board(Slow(), Admin())
    for _ in range(40):
        assert [actor.name for actor in (await watched.look()).actors] == ["ocr"]
        now[0] += 1.0
    assert asked == [100.0, 133.0]


CHOICES: list[tuple[dict[str, str], str]] = [
    ({}, "queues"),
    ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
    ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "ASYA_GATEWAY_ACTORS": "queues"}, "queues"),
    ({"ASYA_GATEWAY_ACTORS": "mesh:/x/status.json"}, "mesh:/x/status.json"),
    ({"ASYA_GATEWAY_ACTORS": "kubernetes:ml"}, "kubernetes:ml"),
]


@pytest.mark.parametrize(("env", "chosen"), CHOICES)
def test_a_setting_chooses_who_is_asked(env: dict[str, str], chosen: str) -> None:
    assert read_settings({"ASYA_GATEWAY_AUTH": "off", **env}).actors == chosen
    assert open_source(chosen).name == chosen.partition(":")[0]
    assert default_source({}) == "queues"


@pytest.mark.parametrize("text", ["mesh:", "kube", "file:/x", "kubernetes;x"])
def test_what_names_no_source_stops_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="must be queues"):
        check_source(text)
    with pytest.raises(SettingsError, match="ASYA_GATEWAY_ACTORS"):
        read_settings({"ASYA_GATEWAY_AUTH": "off", "ASYA_GATEWAY_ACTORS": text})
