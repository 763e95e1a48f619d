"""``asya-mcp-forward`` with a stand-in for kubectl, since these tests have no cluster; the gateway behind it is real."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from lab.servers.ports import free_ports
from tests.support.command_line import CommandLine, Said
from tests.support.gateway_process import Gateway

STAND_IN = Path(__file__).with_name("stand_in_kubectl.py")

pytestmark = pytest.mark.xdist_group("gateway-docs")  # each forward takes the first free port from 8080 on, as those do


@dataclass(frozen=True, slots=True)
class Forwarder:
    """The command, and what its kubectl was told."""

    command: CommandLine
    log: Path

    def __call__(self, *words: str, **environ: str) -> Said:
        return self.command(*words, **environ)

    def runs(self) -> list[list[str]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def kubectls(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["environ", "cmdline"]):
            ours = (process.info["environ"] or {}).get("STAND_IN_LOG") == str(self.log)
            if ours and "kubectl" in str(process.info["cmdline"]):
                found.append(process)
        return found


@pytest.fixture
def forward(gateway: Gateway, tmp_path: Path) -> Iterator[Forwarder]:
    folder = tmp_path / "bin"
    folder.mkdir()
    kubectl = folder / "kubectl"
    kubectl.write_text(f"#!{sys.executable}\n{STAND_IN.read_text()}")
    kubectl.chmod(0o755)
    (tmp_path / "run").mkdir()
    environ = {
        "PATH": f"{folder}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "STAND_IN_LOG": str(tmp_path / "kubectl.log"), "STAND_IN_PORT": str(gateway.port),
    }  # fmt: skip
    forwarder = Forwarder(CommandLine(tmp_path, environ, "asya_cli.port_forward"), tmp_path / "kubectl.log")
    yield forwarder
    assert forwarder("--stop").code == 0
    assert forwarder("--stop", "-d", "asya-gateway").code == 0
    left = forwarder.kubectls()
    for process in left:
        process.kill()
    assert left == []


def test_only_the_url_is_on_stdout_and_the_gateway_is_behind_it(forward: Forwarder):
    said = forward("-n", "asya-poc")
    url = said.out.strip()
    port = int(url.removeprefix("http://localhost:"))
    assert (said.code, said.out) == (0, f"{url}\n")
    assert forward.runs() == [
        ["port-forward", "-n", "asya-poc", "--pod-running-timeout=5m", "service/asya-gateway", f"{port}:http"]
    ]
    asya_mcp = CommandLine(forward.command.folder, {"ASYA_TOOL_MCP_URL": url}, "asya_cli.mcp")
    assert "- name: echo" in asya_mcp("list").out
    again = forward("-n", "asya-poc")
    assert (again.out, len(forward.runs())) == (said.out, 1)
    assert forward("-n", "asya-poc", "--stop").code == 0
    assert forward.kubectls() == []


def test_a_forward_that_died_is_replaced_and_one_to_another_target_is_left_alone(forward: Forwarder):
    first, other = forward(), forward("-d", "asya-gateway")
    assert first.out != other.out
    assert forward.runs()[1][-2:] == ["deployment/asya-gateway", f"{other.out.strip().rpartition(':')[2]}:8080"]
    port = first.out.strip().rpartition(":")[2]
    (victim,) = [process for process in forward.kubectls() if process.cmdline()[-1].startswith(f"{port}:")]
    victim.kill()
    victim.wait(60)
    assert forward().code == 0
    assert len(forward.runs()) == 3
    assert len(forward.kubectls()) == 2


def test_what_kubectl_refuses_is_told(forward: Forwarder):
    said = forward(STAND_IN_FAIL='Error from server (NotFound): services "asya-gateway" not found')
    assert (said.code, said.out) == (1, "")
    assert 'services "asya-gateway" not found' in said.err


def test_a_gateway_that_does_not_answer_leaves_no_forward_behind(forward: Forwarder):
    ours, nobodys = free_ports(2)
    said = forward("-l", str(ours), STAND_IN_PORT=str(nobodys))
    assert (said.code, said.out) == (1, "")
    assert "does not answer at" in said.err
    assert forward.kubectls() == []


def test_kept_alive_it_ends_with_the_command(forward: Forwarder):
    for number in (signal.SIGINT, signal.SIGTERM):
        with forward.command.start("--keep-alive", "--no-check-health") as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("http://localhost:")
            process.send_signal(number)
            process.communicate(timeout=60)
        assert process.returncode == 0
        assert forward.kubectls() == []


def test_without_kubectl_the_cure_is_named(forward: Forwarder, tmp_path: Path):
    assert shutil.which("kubectl", path=str(tmp_path)) is None
    said = forward(PATH=str(tmp_path))
    assert (said.code, said.out) == (1, "")
    assert "kubectl is not on PATH" in said.err
