"""What handlers stream through a real mesh, as its users read it: `asya call`, `asya send --wait` and the client."""

import asyncio
from collections.abc import Iterator

import psutil
import pytest

from asya.client import AsyncMesh, Event, Mesh
from asya_local.processes import MARKER
from tests.support.command_line import CommandLine, mesh_of
from tests.support.mesh import write_actor

SPEAK = """\
import pathlib
import time


def handle(p):
    pathlib.Path("calls").open("a").write("x")
    for n in range(p["of"]):
        if n == p.get("stop") and not pathlib.Path("gate").exists():
            pathlib.Path("stopped").touch()
            while not pathlib.Path("gate").exists():
                time.sleep(0.01)
        yield "FLY", {"text": f"w{n} "}
    yield {"said": p["of"]}
"""
ASYNC = """\
import asyncio


async def handle(p):
    for n in range(3):
        await asyncio.sleep(0)
        yield "FLY", {"n": n}
    yield {**p, "seen": 3}
"""
MARKED = """\
def handle(p):
    for n in range(p["said"]):
        yield f"m{n}\\n"
    return {"marked": p["said"]}
"""
TOOLS = """\
tools:
  - {name: speak, route: [speak], parameters: {of: {type: integer}, stop: {type: integer}}}
  - {name: both, route: [speak, marked], parameters: {of: {type: integer}}}
"""
LIMIT_S = 120.0
pytestmark = pytest.mark.xdist_group("local-gateway")


@pytest.fixture(scope="module")
def asya(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    folder = tmp_path_factory.mktemp("streams")
    write_actor(folder, "speak", SPEAK)
    write_actor(folder, "ticks", ASYNC)
    write_actor(folder, "marked", MARKED, stream=True)
    (folder / "tools.yaml").write_text(TOOLS)
    with mesh_of(folder) as command_line:
        yield command_line


def words(count: int) -> str:
    return "".join(f"w{number} " for number in range(count))


def test_a_call_prints_pieces_on_stderr_and_its_result_alone_on_stdout(asya: CommandLine) -> None:
    said = asya("call", "both", "--of", "40")
    assert said.code == 0, said.err
    assert said.document == {"marked": 40}
    assert words(40) in said.err
    assert "".join(f"m{number}\n" for number in range(40)) in said.err
    silent = asya("call", "both", "--of", "4", "--json")
    assert (silent.document["result"], "w1" in silent.err) == ({"marked": 4}, False)


def test_a_send_past_the_gateway_prints_them_too(asya: CommandLine) -> None:
    said = asya("send", "speak", "ticks", "--payload", '{"of": 30}', "--wait")
    assert said.code == 0, said.err
    assert said.document == {"said": 30, "seen": 3}
    assert words(30) in said.err
    assert '{"n": 0}\n{"n": 1}\n{"n": 2}\n' in said.err


def test_the_client_yields_them_by_either_way(asya: CommandLine) -> None:
    with Mesh(home=asya.folder / "home") as mesh:
        for to in ("speak", ["speak"]):
            events = list(mesh.stream(mesh.send(to, {"of": 25})))
            assert [event.piece for event in events if event.kind == "partial"] == [
                {"text": f"w{number} "} for number in range(25)
            ]
            assert (events[-1].status, events[-1].result) == ("succeeded", {"said": 25})
            assert sum(event.final for event in events) == 1


def sidecar_of(asya: CommandLine, actor: str) -> psutil.Process:
    marker = (asya.folder / "home" / "mesh-id").read_text()
    for process in psutil.process_iter(["environ", "cmdline"]):
        environ = process.info["environ"] or {}
        named = environ.get(MARKER) == marker and environ.get("ASYA_ACTOR_NAME") == actor
        if named and any("asya_sidecar" in word for word in process.info["cmdline"] or ()):
            return process
    raise AssertionError(f"{actor} has no sidecar")


async def test_a_sidecar_that_is_killed_in_the_middle_starts_the_stream_anew_and_the_end_comes_once(
    asya: CommandLine,
) -> None:
    events: list[Event] = []
    async with AsyncMesh(home=asya.folder / "home") as mesh, asyncio.timeout(LIMIT_S):
        sent = await mesh.send("speak", {"of": 20, "stop": 10})

        async def follow() -> None:
            async for event in mesh.stream(sent):
                events.append(event)

        following = asyncio.create_task(follow())
        while sum(event.kind == "partial" for event in events) < 10:
            await asyncio.sleep(0.02)
        assert (asya.folder / "stopped").exists()
        sidecar = sidecar_of(asya, "speak")
        sidecar.kill()
        await asyncio.to_thread(psutil.wait_procs, [sidecar], LIMIT_S)
        (asya.folder / "gate").touch()
        await following
    told = [
        event.kind if event.kind != "partial" else event.piece["text"] for event in events if event.kind != "update"
    ]
    assert told == [*(f"w{number} " for number in range(10)), "anew", *(f"w{number} " for number in range(20))]
    assert [event.result for event in events if event.final] == [{"said": 20}]
