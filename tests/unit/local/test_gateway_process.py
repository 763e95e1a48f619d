"""The mesh's gateway in virtual time: what it is told, restarts, changes, its end; its tool files and its tokens."""

import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from asya_local.gateway_process import Gateway, check_tools, find_tool_files
from asya_local.processes import MARKER
from asya_local.state import Request, StateFolder
from asya_manifest.tools import InvalidTools
from tests.support.fake_processes import FakeLauncher

BROKER = {"ASYA_TRANSPORT": "memory", "ASYA_MEMORY_SOCKET": "/m.sock"}
TOOLS = "tools: [{name: %s, route: [%s]}]\n"


def request(**changes: Any) -> Request:
    fields: dict[str, Any] = {
        "id": "1", "manifests": [], "transport": "memory", "source": None, "endpoint": None, "rabbitmq_url": None,
        "rabbitmq_management_url": None, "max_replicas": 4, "gateway_port": 40001,
    }  # fmt: skip
    return Request(**{**fields, **changes})


def gateway(home: Path, launcher: FakeLauncher) -> Gateway:
    home.mkdir(exist_ok=True)
    return Gateway(StateFolder(home), launcher, {"PATH": "/bin", "ASYA_LOG_LEVEL": "debug"})


def test_it_is_told_the_broker_a_database_its_tokens_and_whose_actors_to_show(tmp_path: Path):
    launcher = FakeLauncher()
    made = gateway(tmp_path, launcher)
    made.follow(request(tools=[str(tmp_path / "tools.yaml")]), BROKER)
    made.tick(0.0)
    (process,) = launcher.running("gateway")
    assert process.spec.with_parent is signal.SIGTERM
    assert process.spec.argv[-2:] == ("-m", "asya_gateway")
    assert process.spec.env == {
        "PATH": "/bin", **BROKER,
        "ASYA_GATEWAY_HOST": "127.0.0.1", "ASYA_GATEWAY_PORT": "40001",
        "ASYA_GATEWAY_TOKENS_FILE": str(tmp_path / "gateway-tokens"),
        "ASYA_GATEWAY_ACTORS": f"mesh:{tmp_path}/status.json",
        "ASYA_GATEWAY_MARKED_REPORTS": "true",
        "ASYA_GATEWAY_TOOLS_RELOAD": "500ms",
        "ASYA_GATEWAY_SAMPLE_EVERY": "5s",
        "ASYA_DATABASE_URL": f"sqlite:{tmp_path}/gateway.db",
        "ASYA_CONFIG_PATH": str(tmp_path / "tools.yaml"),
        MARKER: StateFolder(tmp_path).mesh_id,
    }  # fmt: skip
    tokens = StateFolder(tmp_path).gateway_tokens()
    assert made.sidecar_env() == {"ASYA_GATEWAY_URL": "http://127.0.0.1:40001", "ASYA_GATEWAY_TOKEN": tokens.report}
    assert (tmp_path / "gateway-tokens").read_text() == f"{tokens.owner}\n{tokens.report}|report\n"
    assert (tmp_path / "gateway-token").read_text() == f"{tokens.owner}\n"
    assert StateFolder(tmp_path).gateway_tokens() == tokens
    for name in ("gateway-token", "gateway-tokens"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_it_comes_back_when_it_dies_and_says_so_when_it_keeps_dying(tmp_path: Path):
    launcher = FakeLauncher()
    made = gateway(tmp_path, launcher)
    made.follow(request(), BROKER)
    now_s = 0.0
    for _ in range(3):
        while not launcher.running("gateway"):
            made.tick(now_s)
            now_s += 0.1
        launcher.running("gateway")[0].exit_code = 1
        made.tick(now_s)
    assert len(launcher.started) == 3
    assert made.message == "the gateway keeps dying: it says nothing"


def test_only_what_it_is_told_restarts_it(tmp_path: Path):
    launcher = FakeLauncher()
    made = gateway(tmp_path, launcher)
    for asked in (request(), request(id="2"), request(id="3", tools=[str(tmp_path / "tools.yaml")])):
        made.follow(asked, BROKER)
        made.tick(0.0)
        made.tick(0.1)
    first, second = launcher.started
    assert (first.signals[0], first.exit_code, second.exit_code) == ("TERM", 0, None)
    assert "ASYA_CONFIG_PATH" in second.spec.env
    assert made.message == ""


def test_a_mesh_that_wants_none_ends_it(tmp_path: Path):
    launcher = FakeLauncher()
    made = gateway(tmp_path, launcher)
    made.follow(request(), BROKER)
    made.tick(0.0)
    made.follow(request(gateway=False), BROKER)
    made.tick(0.1)
    assert (launcher.running("gateway"), made.process, made.url, made.sidecar_env()) == ([], None, "", {})


def test_a_port_is_kept_for_the_folders_life(tmp_path: Path):
    first = gateway(tmp_path, FakeLauncher())
    first.place(request(gateway_port=None))
    again = gateway(tmp_path, FakeLauncher())
    again.place(request(gateway_port=None))
    assert first.url == again.url
    (tmp_path / "gateway-port").write_text("no port\n")
    other = gateway(tmp_path, FakeLauncher())
    other.place(request(gateway_port=None))
    assert other.url.startswith("http://127.0.0.1:")


def test_tool_files_are_found_beside_manifests_and_several_are_served_as_one_folder(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tools.yaml").write_text(TOOLS % (name, name))
        (tmp_path / name / "actors.yaml").write_text("")
    found = find_tool_files([tmp_path / "one", tmp_path / "two" / "actors.yaml"])
    assert found == [tmp_path / "one" / "tools.yaml", tmp_path / "two" / "tools.yaml"]
    launcher = FakeLauncher()
    made = gateway(tmp_path / "home", launcher)
    made.follow(request(tools=[str(path) for path in found]), BROKER)
    made.tick(0.0)
    folder = Path(launcher.started[0].spec.env["ASYA_CONFIG_PATH"])
    assert [path.read_text() for path in sorted(folder.iterdir())] == [path.read_text() for path in found]
    assert find_tool_files([tmp_path]) == []


def test_a_tool_that_leaves_the_mesh_is_noted_and_one_that_breaks_a_rule_is_refused(tmp_path: Path):
    path = tmp_path / "tools.yaml"
    path.write_text(TOOLS % ("read", "ocr, translate, fan-in"))
    asked = request(tools=[str(path)])
    assert check_tools(asked, {"ocr", "translate"}) == []
    assert check_tools(asked, {"ocr"}) == ["tool read goes through translate, not in this mesh"]
    path.write_text("tools: [{name: read}]\n")
    with pytest.raises(InvalidTools, match="route has no actors"):
        check_tools(asked, {"ocr"})
    assert check_tools(request(tools=[str(path)], gateway=False), {"ocr"}) == []
