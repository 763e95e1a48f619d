"""``asya.client`` with a real local mesh and its gateway; the fences of docs/client.md run as they stand."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asya.client import AsyncMesh, EnvelopeFailed, Mesh, MeshAway, NotOffered, NotSent
from asya.client.async_mesh import To
from asya_local import mesh as local_mesh
from tests.support.mesh import running_mesh, write_actor
from tests.support.pages import fences

PAGE = "docs/client.md"
GREET = """
def handle(p):
    if not p.get("name"):
        raise ValueError("who?")
    return {"greeting": f"hello {p['name']}"}
"""
HANDLERS = {
    "greet": GREET,
    "shout": "def handle(p):\n    return {'greeting': p['greeting'].upper()}\n",
    "silent": "def handle(p):\n    return None\n",
}
TOOLS = "tools:\n  - {name: hello, route: [greet, shout], progress: true, parameters: {name: {type: string, required: true}}}\n"
LIMIT_S = 120.0

pytestmark = pytest.mark.xdist_group("client")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("client")
    for name, code in HANDLERS.items():
        write_actor(folder, name, code, retry={"maxAttempts": 1})
    (folder / "tools.yaml").write_text(TOOLS)
    options = local_mesh.UpOptions(home=folder / "home", manifests=(folder,), transport="memory", reload=False)
    with running_mesh(options) as running:
        running.up()
        yield folder / "home"


@pytest.fixture(scope="module")
def mesh(home: Path) -> Iterator[Mesh]:
    with Mesh(home=home) as opened:
        yield opened


def test_a_route_is_called_and_its_payload_comes_back(mesh: Mesh) -> None:
    assert mesh.call(["greet", "shout"], {"name": "Ada"}, timeout_s=LIMIT_S) == {"greeting": "HELLO ADA"}


def test_an_id_that_was_sent_before_waits_for_this_send(mesh: Mesh) -> None:
    first = mesh.send(["greet"], {"name": "Ada"}, id="same")
    assert mesh.result(first, timeout_s=LIMIT_S) == {"greeting": "hello Ada"}
    second = mesh.send(["greet"], {"name": "Grace"}, id="same")
    assert mesh.result(second, timeout_s=LIMIT_S) == {"greeting": "hello Grace"}


def test_many_come_back_in_order_and_a_failure_is_an_error_or_a_value(mesh: Mesh) -> None:
    sents = [mesh.send(["greet"], {"name": name}) for name in ("Ada", "", "Grace")]
    found = mesh.gather(sents, timeout_s=LIMIT_S, return_failures=True)
    assert (found[0], found[2]) == ({"greeting": "hello Ada"}, {"greeting": "hello Grace"})
    assert (found[1].code, found[1].details["type"]) == ("processing_error", "ValueError")
    assert "who?" in str(found[1])
    with pytest.raises(EnvelopeFailed, match=r"who\?"):
        mesh.gather(sents, timeout_s=LIMIT_S)


def test_a_handler_that_returned_nothing_has_no_result(mesh: Mesh) -> None:
    assert mesh.call(["silent", "greet"], {"name": "Ada"}, timeout_s=LIMIT_S) is None


def test_a_tool_is_started_and_followed_to_its_end(mesh: Mesh) -> None:
    sent = mesh.send("hello", {"name": "Ada"})
    events = list(mesh.stream(sent))
    assert (events[-1].status, events[-1].result, events[-1].percent) == ("succeeded", {"greeting": "HELLO ADA"}, 100.0)
    assert "greet" in {event.actor for event in events}
    assert mesh.result(sent, timeout_s=LIMIT_S) == {"greeting": "HELLO ADA"}


def test_a_tool_that_fails_raises_with_the_handlers_error(mesh: Mesh) -> None:
    with pytest.raises(EnvelopeFailed, match=r"who\?") as caught:
        mesh.call("hello", {"name": ""}, timeout_s=LIMIT_S)
    assert caught.value.details["traceback"]


def test_what_cannot_be_sent_says_why(mesh: Mesh) -> None:
    refused: list[tuple[To, object, str]] = [
        ("no-such-tool", {}, 'Tool "no-such-tool" not found'),
        ("helo", {}, "did you mean 'hello'"),
        ("greet", {}, "'greet' is the name of an actor, not of a tool; a route is a list of actors"),
        ("hello", {}, "name"),
        (["no-such-actor"], {}, "no actor 'no-such-actor', only fan-in, greet, shout, silent"),
        (["greet", "shuot"], {}, "did you mean 'shout'"),
        (["happy-end"], {}, "happy-end"),
        (["greet"], object(), "object"),
    ]
    for to, payload, words in refused:
        with pytest.raises(NotSent, match=words):
            mesh.send(to, payload)


def test_a_wait_that_takes_too_long_is_a_timeout(mesh: Mesh) -> None:
    sent = mesh.send(["greet"], {"name": "Ada"})
    with pytest.raises(TimeoutError, match=f"has not ended within 0 s; .*asya why {sent.id}"):
        mesh.result(sent, timeout_s=0)
    assert mesh.result(sent, timeout_s=LIMIT_S)


def test_a_gateway_by_its_url_has_tools_and_no_routes(home: Path) -> None:
    info = local_mesh.find(home)
    assert info is not None

    async def work() -> Any:
        async with AsyncMesh(info.gateway_url, token=info.gateway_token_file.read_text().strip()) as mesh:
            with pytest.raises(NotOffered):
                await mesh.send(["greet"], {})
            sents = [await mesh.send("hello", {"name": name}) for name in ("Ada", "Grace")]
            return await mesh.gather(sents, timeout_s=LIMIT_S)

    assert asyncio.run(work()) == [{"greeting": "HELLO ADA"}, {"greeting": "HELLO GRACE"}]


def test_where_nothing_runs_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(MeshAway, match="asya local up"):
        Mesh(home=tmp_path)
    with Mesh("http://127.0.0.1:9", token="x" * 20) as mesh, pytest.raises(MeshAway, match="cannot be reached"):
        mesh.send("hello", {})


def test_the_pages_fences_run_as_they_stand(home: Path, tmp_path: Path) -> None:
    said = []
    for number, fence in enumerate(fences(PAGE)):
        program = tmp_path / f"fence_{number}.py"
        program.write_text(fence.text)
        done = subprocess.run(
            [sys.executable, program],
            env={"ASYA_HOME": str(home), "PATH": ""},
            capture_output=True,
            check=False,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said[0] == "{'greeting': 'HELLO ADA'}\n"
    assert said[1] == "hello Ada\nhello Grace\nfailed: ValueError who?\n"
    assert said[2].endswith("{'greeting': 'HELLO ADA'}\n")
