"""The local mesh's gateway: tools beside the manifests, real actors that report, tokens, restarts and an orderly end."""

import json
import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from asya_local import mesh
from asya_local.processes import MARKER
from tests.support.command_line import CommandLine

HANDLERS = """\
import asyncio


def greet(payload):
    if payload["who"] == "nobody":
        raise ValueError("nobody to greet")
    return {"message": f"Hello {payload['who']}!" + "!" * payload["marks"]}


async def forget(payload):
    await asyncio.sleep(3600)


def split(payload):
    return [{"who": who, "marks": 0} for who in payload["all"]]
"""
MANIFEST = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata: {{name: {name}}}
spec:
  transport: memory
  image: none
  handler: handlers.{name}
  scaling: {{enabled: true, minReplicas: 0, maxReplicas: 3, queueLength: 1, pollingInterval: 1, cooldownPeriod: 600}}
  retry: {{nonRetryable: [ValueError]}}
  timeout: {{processing: 60, gracefulShutdown: 2}}
"""
TOOLS = """\
tools:
  - name: greet
    description: Greets somebody
    parameters:
      who: {type: string, required: true}
      marks: {type: integer, default: 0}
    route: [greet]
    progress: true
  - {name: forget, route: [forget]}
  - {name: greet_all, route: [split, greet], parameters: {all: {type: array, items: {type: string}}}}
  - {name: stray, route: [greet, elsewhere]}
"""

LIMIT_S = 90

pytestmark = pytest.mark.xdist_group("local-gateway")


@pytest.fixture(scope="module")
def asya(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A command line with a mesh of three actors and four tools."""
    folder = tmp_path_factory.mktemp("mesh")
    (folder / "handlers.py").write_text(HANDLERS)
    for name in ("greet", "forget", "split"):
        (folder / f"{name}.yaml").write_text(MANIFEST.format(name=name))
    (folder / "tools.yaml").write_text(TOOLS)
    command_line = CommandLine(folder, {"ASYA_HOME": str(folder / "home")})
    up = command_line("local", "up", "-f", str(folder), "--transport", "memory", "--json")
    try:
        assert up.code == 0, up.err
        assert up.document["gateway"] == url(command_line)
        assert up.document["notes"] == ["tool stray goes through elsewhere, not in this mesh"]
        yield command_line
    finally:
        marker = (folder / "home" / "mesh-id").read_text()
        assert command_line("local", "down").code == 0
        assert marked(marker) == []


def home(asya: CommandLine) -> Path:
    return asya.folder / "home"


def url(asya: CommandLine) -> str:
    info = mesh.find(home(asya))
    assert info is not None
    return info.gateway_url


def marked(marker: str) -> list[psutil.Process]:
    found = psutil.process_iter(["environ", "cmdline"])
    return [process for process in found if (process.info["environ"] or {}).get(MARKER) == marker]


def write(path: Path, text: str) -> None:
    """Write at once, for somebody reads it all the time, and half of it is another file."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


def gateway_process(asya: CommandLine) -> psutil.Process:
    marker = (home(asya) / "mesh-id").read_text()
    return next(process for process in marked(marker) if "asya_gateway" in (process.info["cmdline"] or ()))


def test_a_call_goes_through_a_real_actor_and_its_result_comes_back(asya: CommandLine):
    said = asya("call", "greet", "--who", "you", "--marks=2")
    assert said.code == 0, said.err
    assert said.document == {"message": "Hello you!!!"}
    assert "succeeded" in said.err
    envelope_id = said.err.split()[1]
    assert asya("result", envelope_id).document == {"message": "Hello you!!!"}
    events = [json.loads(line) for line in asya("stream", envelope_id, "--json").out.splitlines()]
    assert events[-1]["status"] == "succeeded"
    assert "greet" in {event.get("actor") for event in events}


def test_a_failure_tells_its_cause_and_its_traceback(asya: CommandLine):
    said = asya("call", "greet", "--who", "nobody")
    assert (said.code, said.out) == (1, "")
    assert "ValueError: nobody to greet" in said.err
    assert "Traceback" in said.err


def test_children_of_a_fan_out_appear_under_their_parent_and_end(asya: CommandLine):
    said = asya("call", "greet_all", "--all", "a", "--all", "b", "--all", "c", "--json")
    assert (said.code, said.document["result"]) == (0, {"message": "Hello a!"})
    envelope_id = said.document["id"]
    for number, who in ((1, "b"), (2, "c")):
        child = asya("wait", f"{envelope_id}-{number}", "--json")
        assert (child.code, child.document["result"]) == (0, {"message": f"Hello {who}!"}), child.err
    children = asya("status", envelope_id, "--json").document["children"]
    assert sorted(children) == [f"{envelope_id}-1", f"{envelope_id}-2"]


def test_a_cancel_reaches_the_running_handler(asya: CommandLine):
    envelope_id = asya("call", "forget", "--no-wait").out.strip()
    assert asya("cancel", envelope_id).out == f"{envelope_id}: cancelled\n"
    assert asya("wait", envelope_id).code == 6
    persisted = asya("result", envelope_id, "--wait", "120s", "--json").document
    assert (persisted["status"], persisted["error"]["code"]) == ("failed", "Cancelled by its caller")


def test_what_was_sent_past_the_gateway_is_cancelled_by_the_store(asya: CommandLine):
    envelope_id = asya("send", "forget", "--payload", "{}").out.strip()
    assert asya("cancel", envelope_id, "--wait", "120s").out == f"{envelope_id}: cancelled\n"
    unknown = asya("status", envelope_id)
    assert (unknown.code, f"asya result {envelope_id}" in unknown.err) == (5, True)


def test_tokens_are_the_owners_alone_and_the_commands_find_them(asya: CommandLine):
    for name in ("gateway-token", "gateway-tokens", "mesh.json"):
        assert stat.S_IMODE((home(asya) / name).stat().st_mode) == 0o600
    token = (home(asya) / "gateway-token").read_text().strip()
    assert httpx2.get(f"{url(asya)}/envelopes/x", timeout=LIMIT_S, trust_env=False).status_code == 401
    known = httpx2.get(
        f"{url(asya)}/envelopes/x", headers={"Authorization": f"Bearer {token}"}, timeout=LIMIT_S, trust_env=False
    )
    assert known.status_code == 404
    by_name = url(asya).replace("127.0.0.1", "localhost")
    assert asya("tools", ASYA_TOOL_MCP_URL=f"{by_name}/").code == 0
    asya_mcp = CommandLine(asya.folder, asya.environ, "asya_cli.mcp")
    assert "- name: greet_all" in asya_mcp("list").out
    # Another gateway never sees the mesh's token.
    assert asya("tools", ASYA_GATEWAY_URL="http://127.0.0.1:9").code == 3
    for line in (home(asya) / "logs").rglob("*.log"):
        assert token not in line.read_text(errors="replace"), line


def test_the_console_knows_the_actors_of_the_mesh(asya: CommandLine):
    token = (home(asya) / "gateway-token").read_text().strip()
    assert "<html" in httpx2.get(f"{url(asya)}/", timeout=LIMIT_S, trust_env=False).text
    answer = httpx2.get(
        f"{url(asya)}/api/v1/actors", headers={"Authorization": f"Bearer {token}"}, timeout=LIMIT_S, trust_env=False
    )
    document = answer.json()
    assert (answer.status_code, document["source"]) == (200, "mesh")
    assert {"greet", "forget", "split", "happy-end"} <= {actor["name"] for actor in document["actors"]}


def test_a_gateway_that_is_killed_comes_back_and_knows_everything(asya: CommandLine):
    before = asya("call", "forget", "--no-wait").out.strip()
    victim = gateway_process(asya)
    victim.kill()
    waited = asya("wait", before, "--timeout", "6s")  # it follows again as soon as the gateway is back
    assert waited.code == 4, waited.err
    deadline_s = time.monotonic() + LIMIT_S
    while asya("tools").code != 0:
        assert time.monotonic() < deadline_s, "the gateway did not come back"
    assert gateway_process(asya).pid != victim.pid
    assert asya("call", "greet", "--who", "again").document == {"message": "Hello again!"}
    assert asya("cancel", before).code == 0


def test_an_edited_tool_file_that_breaks_a_rule_is_said_and_changes_nothing(asya: CommandLine):
    path = asya.folder / "tools.yaml"
    write(path, TOOLS.replace("route: [greet]", "root: [greet]"))
    deadline_s = time.monotonic() + LIMIT_S
    while 'unknown key "root"' not in asya("local", "status", "--json").document["message"]:
        assert time.monotonic() < deadline_s
    assert asya("call", "greet", "--who", "you").code == 0
    refused = asya("local", "up", "-f", str(asya.folder), "--transport", "memory")
    assert (refused.code, 'unknown key "root"' in refused.err) == (2, True)
    write(path, TOOLS)
    deadline_s = time.monotonic() + LIMIT_S
    while asya("local", "status", "--json").document["message"]:
        assert time.monotonic() < deadline_s


def test_a_mesh_without_a_gateway_says_so(tmp_path: Path):
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "greet.yaml").write_text(MANIFEST.format(name="greet"))
    asya = CommandLine(tmp_path, {"ASYA_HOME": str(tmp_path / "home")})
    try:
        up = asya("local", "up", "-f", str(tmp_path), "--transport", "memory", "--no-gateway")
        assert up.code == 0, up.err
        assert "console" not in up.out
        assert asya("tools").code == 3
        first = asya("local", "up", "-f", str(tmp_path), "--transport", "memory")
        assert "console: http://127.0.0.1:" in first.out
        assert asya("tools").err == f"the gateway at {url(asya)} has no tools\n"
        info = mesh.find(home(asya))
        assert info is not None
        address = info.gateway_url
        os.kill(info.pid, signal.SIGKILL)
        assert asya("local", "up", "-f", str(tmp_path), "--transport", "memory").code == 0
        assert url(asya) == address
        assert asya("tools").code == 0
    finally:
        assert asya("local", "down").code == 0
