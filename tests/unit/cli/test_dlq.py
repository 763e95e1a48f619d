"""``asya dlq`` on the memory broker of this very process, to which the environment leads."""

import asyncio
import json
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from asya_cli.exit_codes import BadRequest, MeshNotRunning, NotFound
from asya_cli.main import asya
from asya_protocol import names
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueSpec
from asya_transport.settings import TransportSettings

MEMORY = TransportSettings(name="memory")


class Actor:
    """An actor's queues on this process's broker, with a name that no other test has."""

    def __init__(self, home: Path) -> None:
        self.name = f"t{uuid.uuid4().hex[:8]}"
        self.queue = names.QueueNames().queue(self.name)
        self._home = home
        asyncio.run(open_admin(MEMORY).create(self.queue, QueueSpec()))

    def dead_letter(self, *bodies: bytes, reason: str = "crashed") -> None:
        async def send() -> None:
            transport = open_transport(MEMORY)
            marks = {names.ATTRIBUTE_REASON: reason, names.ATTRIBUTE_QUEUE: self.queue}
            for body in bodies:
                await transport.send(names.dlq_name(self.queue), body, attributes=marks)
            await transport.close()

        asyncio.run(send())

    def envelope(self, envelope_id: str) -> bytes:
        headers = {"tenant": "blue", "x-asya-attempt": 3, "x-asya-delivery": 5}
        route = {"actors": ["first", self.name], "current": 1}
        return json.dumps({"id": envelope_id, "route": route, "headers": headers, "payload": {"n": 1}}).encode()

    def depths(self) -> tuple[int, int]:
        async def measure() -> tuple[int, int]:
            admin = open_admin(MEMORY)
            dead = await admin.measure(names.dlq_name(self.queue))
            return (await admin.measure(self.queue)).ready, dead.ready

        return asyncio.run(measure())

    def delete(self) -> None:
        asyncio.run(open_admin(MEMORY).delete(self.queue, force=True))

    def dlq(self, *words: str) -> Result:
        """Run ``asya dlq``; an error that has a cause and a cure is raised."""
        result = CliRunner().invoke(asya, ["dlq", *words, "--home", str(self._home)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def document(self, *words: str) -> dict[str, Any]:
        result = self.dlq(*words, "--json")
        assert result.exit_code == 0, result.output
        document: dict[str, Any] = json.loads(result.stdout)
        return document


@pytest.fixture
def actor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Actor]:
    monkeypatch.setenv("ASYA_TRANSPORT", "memory")
    monkeypatch.delenv("ASYA_MEMORY_SOCKET", raising=False)
    made = Actor(tmp_path / "home")
    yield made
    made.delete()


def test_a_list_shows_each_with_its_reason_and_its_place_on_the_route(actor: Actor):
    actor.dead_letter(actor.envelope("e1"), b"\xffgarbage", reason="runtime died")
    answer = actor.dlq("ls", actor.name)
    header, first, second = (line.split(maxsplit=6) for line in answer.stdout.splitlines())
    assert header == ["ID", "ROUTE", "ATTEMPTS", "DELIVERIES", "BYTES", "REASON"]
    assert first[:5] == ["e1", "first", f"[{actor.name}]", "3", "5"]
    assert first[6] == "runtime died"
    assert second[0] == "'\\xffgarbage'"
    assert answer.stderr == f"2 shown, 2 dead letters of {actor.name}\n"


def test_a_list_in_json_tells_what_is_no_envelope(actor: Actor):
    actor.dead_letter(actor.envelope("e1"), b"garbage")
    document = actor.document("ls", actor.name)
    assert (document["total"], document["complete"]) == (2, True)
    assert document["entries"][0]["route"] == {"actors": ["first", actor.name], "current": 1}
    assert document["entries"][1]["id"] is None
    assert document["entries"][1]["first_bytes"] == "garbage"
    assert actor.depths() == (0, 2)


def test_all_actors_with_dead_letters_are_counted(actor: Actor):
    actor.dead_letter(b"1", b"2", b"3")
    assert {"actor": actor.name, "dead_letters": 3} in actor.document("ls")["actors"]
    assert [actor.name, "3"] in [line.split() for line in actor.dlq("ls").stdout.splitlines()]


def test_one_is_shown_whole(actor: Actor):
    actor.dead_letter(actor.envelope("e1"), actor.envelope("e2"))
    document = actor.document("show", actor.name, "e2")
    assert document["envelope"] == json.loads(actor.envelope("e2"))
    assert document["reason"] == "crashed"
    assert "taken from  " + actor.queue in actor.dlq("show", actor.name, "e2").stdout
    with pytest.raises(NotFound, match="no dead letter 'e3' among 2"):
        actor.dlq("show", actor.name, "e3")


def test_a_redrive_sends_what_matches_and_says_how_much(actor: Actor):
    actor.dead_letter(*(actor.envelope(f"{kind}{n}") for n in range(5) for kind in "ab"))
    conditions: Sequence[str] = ("--where", "id=a*", "--where", "headers.tenant=blue")
    dry = actor.document("redrive", actor.name, *conditions, "--dry-run")
    assert (dry["matched"], dry["redriven"], dry["dry_run"]) == (5, 0, True)
    assert actor.depths() == (0, 10)
    answer = actor.dlq("redrive", actor.name, *conditions)
    assert answer.stdout == "redriven: 5 of 5 that matched; 10 looked at, 10 there\n"
    assert actor.depths() == (5, 5)


def test_what_cannot_be_sent_makes_the_exit_code_1(actor: Actor):
    marks = {names.ATTRIBUTE_QUEUE: "asya-gone"}

    async def dead_letter() -> None:
        await open_transport(MEMORY).send(names.dlq_name(actor.queue), b"x", attributes=marks)

    asyncio.run(dead_letter())
    answer = actor.dlq("redrive", actor.name, "--json")
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["failures"][0]["count"] == 1
    assert actor.depths() == (0, 1)


def test_a_purge_asks_first_and_without_a_terminal_needs_yes(actor: Actor):
    actor.dead_letter(actor.envelope("a"), actor.envelope("b"))
    with pytest.raises(BadRequest, match="needs --yes"):
        actor.dlq("purge", actor.name)
    assert actor.document("purge", actor.name, "--dry-run")["matched"] == 2
    assert actor.document("purge", actor.name, "--yes", "--where", "id=a")["purged"] == 1
    assert actor.depths() == (0, 1)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["ls", "x", "--where", "idd=1"], "character 1: there is no field 'idd'"),
        (["redrive", "x", "--where", "reason~("], "character 8: no regular expression"),
        (["redrive", "x", "--rate", "0"], "0.0 is not in the range"),
        (["redrive"], "Missing argument 'ACTOR'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_place(actor: Actor, words: list[str], problem: str):
    answer = actor.dlq(*words)
    assert answer.exit_code == 2
    assert problem in " ".join(answer.stderr.split())


def test_conditions_on_all_actors_at_once_are_refused(actor: Actor):
    with pytest.raises(BadRequest, match="--where needs an ACTOR"):
        actor.dlq("ls", "--where", "id=a")


def test_a_redrive_into_the_dead_letters_themselves_is_refused(actor: Actor):
    with pytest.raises(BadRequest, match="is the dead letter queue itself"):
        actor.dlq("redrive", actor.name, "--to", f"{actor.name}-dlq")


def test_without_a_mesh_and_without_a_broker_in_the_environment_there_is_nothing_to_look_at(
    actor: Actor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("ASYA_TRANSPORT")
    with pytest.raises(MeshNotRunning):
        actor.dlq("ls", actor.name)
