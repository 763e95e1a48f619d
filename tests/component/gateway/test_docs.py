"""The commands of docs/gateway.md, run as they stand there; only a port that may be taken is another one."""

import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from asya_cli.forward_record import record_folder
from asya_local import mesh
from lab.checkout import ROOT
from lab.servers.ports import free_port
from tests.support.pages import Shell, fences

STAND_IN = ROOT / "tests" / "component" / "gateway" / "stand_in_kubectl.py"
HELLO = ROOT / "examples" / "asyas" / "seed-quick-start.yaml"
LIMIT_S = 120

pytestmark = pytest.mark.xdist_group("gateway-docs")


def blocks(heading: str) -> list[str]:
    """The commands below a heading, up to the next one."""
    return [fence.text for fence in fences("docs/gateway.md", heading)]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    yield Shell(tmp_path)
    for home in tmp_path.glob("**/.asya"):
        mesh.down(home, print)


def test_five_commands_lead_from_zero_to_an_agent_that_calls_a_pipeline(shell: Shell):
    (script,) = blocks("From zero to an agent that calls a pipeline, in five commands")
    commands = re.sub(r"<<'EOF'\n.*?\nEOF\n", "\n", script, flags=re.DOTALL).strip().splitlines()
    assert len(commands) == 5
    done = shell(script)
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["status"], told["result"]) == ("succeeded", {"who": "you", "message": "Hello you!"})
    assert "tool greet: Greets somebody by name" in done.stderr
    folder = Shell(shell.folder / "greeter")
    assert json.loads(folder("asya call greet --who me").stdout) == {"who": "me", "message": "Hello me!"}
    tools = folder.folder / "tools.yaml"
    tools.write_text(tools.read_text().replace("name: greet", "name: welcome"))
    deadline_s = time.monotonic() + LIMIT_S
    while "welcome" not in folder("asya tools").stdout:
        assert time.monotonic() < deadline_s


def test_the_page_about_agents_streams_as_it_says(shell: Shell):
    *files, commands = fences("docs/agents.md")
    shell.follow(files)
    done = shell(commands.text)
    assert "You asked about tides YOU ASKED ABOUT TIDES" in done.stderr
    assert "You asked about wind" in done.stderr
    assert done.stdout.splitlines()[-2:] == [
        "You asked about tides YOU ASKED ABOUT TIDES",
        "result: {'answer': 'YOU ASKED ABOUT TIDES'}",
    ]


def test_the_page_about_callbacks_leads_to_a_receiver_that_verifies(shell: Shell):
    *files, commands = fences("docs/callbacks.md")
    port = str(free_port())
    for file in files:
        (shell.folder / file.file).write_text(file.text.replace("8099", port))
    done = shell(commands.text)
    told = re.search(r"^([0-9a-f-]{36}\.\d+) envelope\.succeeded (.*)$", done.stdout, re.MULTILINE)
    assert told is not None, done.stdout
    assert told[2] == "{'who': 'you', 'message': 'Hello you!'}"


def test_the_quick_start_with_the_clusters_part_played_by_a_mesh_and_a_stand_in_for_kubectl(shell: Shell):
    """Everything that a person types and sees; deploying, and the way into the cluster, are for the end-to-end tests."""
    values, session = blocks("From a terminal, in a cluster")
    written = values.split("# 2.")[1]  # installing is this environment's own doing
    shell(f"#{written}")
    document = yaml.safe_load((shell.folder / "gateway-values.yaml").read_text())
    (shell.folder / "tools.yaml").write_text(yaml.safe_dump(document["routes"]))
    shell(f"asya local up -f {HELLO} --tools tools.yaml --transport memory")
    info = mesh.find(shell.folder / ".asya")
    assert info is not None
    _install_kubectl(shell)
    port = str(free_port())
    environ = {
        "STAND_IN_LOG": str(shell.folder / "kubectl.log"),
        "STAND_IN_PORT": info.gateway_url.rpartition(":")[2],
        "ASYA_GATEWAY_TOKEN": info.gateway_token_file.read_text().strip(),
        "ASYA_HOME": "elsewhere",  # as on a machine that runs no mesh
        "XDG_RUNTIME_DIR": str(shell.folder / "run"),
    }
    forward, rest = session.replace("8089", port).split("export ", 1)
    # The forward goes on in the background while it is asked, and ends with the shell.
    script = (
        f"{forward.strip().removesuffix('&')} >kubectl.out 2>&1 &\ntrap 'kill %1' EXIT\n"
        f"for _ in {{1..1200}}; do grep -q Forwarding kubectl.out && break; sleep 0.05; done\nexport {rest}"
    )
    done = shell(script, **environ)
    listed, _, called = done.stdout.partition("{\n")
    assert listed == (
        "- name: hello\n  description: Hello from hello-actor\n  parameters:\n"
        "    who:\n      type: string\n      required: true\n"
    )
    event = json.loads("{\n" + called)
    assert re.search(rf"^\[\.\] Envelope ID: {event['id']}$", done.stderr, re.MULTILINE)
    assert "Processing: 100%" in done.stderr
    assert (event["status"], event["message"]) == ("succeeded", "Envelope completed successfully")
    assert (event["result"], event["progress_percent"]) == ({"message": "Hello artem!"}, 100.0)
    assert event["timestamp"]
    shorter = (
        "export ASYA_TOOL_MCP_URL=$(asya-mcp-forward -n default)\n"
        "asya call hello --who=artem\nasya-mcp-forward -n default --stop"
    )
    assert json.loads(shell(shorter, **environ).stdout) == {"message": "Hello artem!"}
    assert record_folder(environ) == shell.folder / "run" / "asya"


def _install_kubectl(shell: Shell) -> None:
    (shell.folder / "bin").mkdir()
    (shell.folder / "run").mkdir()
    kubectl = shell.folder / "bin" / "kubectl"
    kubectl.write_text(f"#!{shutil.which('python3') or sys.executable}\n{STAND_IN.read_text()}")
    kubectl.chmod(0o755)
