"""``asya tools``, ``call``, ``status``, ``stream``, ``wait`` and ``cancel`` with a real gateway: words, exit codes, Ctrl-C."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asya_protocol import names
from lab.servers.ports import free_port
from tests.support.command_line import CommandLine
from tests.support.gateway_process import Gateway, report_to, show

TOKEN = "a-token-of-some-length"
READER = "only-reads-0123456789"


@pytest.fixture
def asya(gateway: Gateway, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, {"ASYA_GATEWAY_URL": gateway.url})


def started(asya: CommandLine, *words: str) -> str:
    said = asya("call", "echo", "--text", "hi", *words, "--no-wait")
    assert said.code == 0, said.err
    return said.out.strip()


def test_tools_are_listed_and_shown(asya: CommandLine, gateway: Gateway):
    listed = asya("tools")
    assert (listed.code, listed.err) == (0, "")
    rows = [line.split("  ") for line in listed.out.splitlines()]
    assert rows[0][0] == "TOOL  ".strip()
    assert "echo   text [times]  Sends back what it gets" in listed.out
    document = asya("tools", "--json").document
    assert document["gateway"] == gateway.url
    assert [tool["name"] for tool in document["tools"]] == ["brief", "echo", "lost"]
    shown = asya("tools", "echo")
    assert shown.out == (
        "echo\n  Sends back what it gets\n  --text string, required\n  --times integer, default 1\n\n"
        "asya call echo --text STRING\n"
    )


def test_a_call_is_watched_and_its_result_printed(asya: CommandLine, gateway: Gateway):
    with asya.start("call", "echo", "--text", "hi", "--times=2") as process:
        assert process.stderr is not None
        envelope_id = process.stderr.readline().split()[-1]
        payload = show(gateway.url, envelope_id)["payload"]
        route = ["echo", "shout"]
        report_to(gateway.url, envelope_id, "progress", actors=route, current_actor_idx=0, status="processing")
        report_to(gateway.url, envelope_id, "final", status="succeeded", result={"text": "HI"})
        out, err = process.communicate(timeout=60)
    assert payload == {"text": "hi", "times": 2}
    assert (process.returncode, json.loads(out)) == (0, {"text": "HI"})
    assert re.search(r"^ 25%  running    echo: ", err, re.MULTILINE)
    assert err.splitlines()[-1].startswith("100%  succeeded")


def test_the_exit_code_tells_the_end(asya: CommandLine, gateway: Gateway):
    ends: dict[str, tuple[dict[str, Any], int]] = {
        "succeeded": ({"status": "succeeded", "result": [1]}, 0),
        "failed": ({"status": "failed", "error": "no paper", "error_details": {"type": "E", "traceback": "T\n"}}, 1),
        "cancelled": ({"status": "failed", "error": names.CANCELLED}, 6),
    }
    for status, (body, code) in ends.items():
        envelope_id = started(asya)
        report_to(gateway.url, envelope_id, "final", **body)
        waited = asya("wait", envelope_id, "--json")
        assert (waited.code, waited.document["status"]) == (code, status)
        streamed = asya("stream", envelope_id)
        assert streamed.code == code
        assert len(streamed.out.splitlines()) == 3
        assert asya("status", envelope_id).code == 0
    failed = started(asya)
    report_to(gateway.url, failed, "final", **ends["failed"][0])
    said = asya("wait", failed)
    assert said.out == ""
    assert said.err.splitlines()[-2:] == [f"failed: {failed}: no paper: E", "T"]


def test_a_deadline_is_a_failure_and_ones_own_timeout_is_not(asya: CommandLine):
    assert asya("call", "brief", "--timeout", "30s").code == 1
    envelope_id = started(asya)
    said = asya("wait", envelope_id, "--timeout", "300ms", "--json")
    assert (said.code, said.document["exit_code"]) == (4, 4)
    assert "it goes on" in said.document["error"]


def test_a_route_to_nobody_is_a_failure(asya: CommandLine):
    said = asya("call", "lost")
    assert said.code == 1
    assert "its route names the actor 'no-such-actor', which does not exist" in said.err


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["call", "ecko", "--text", "x"], 5, "has no tool 'ecko', only brief, echo, lost; did you mean 'echo'?"),
        (["call", "echo", "--test", "x"], 2, "echo has no parameter 'test', only text, times; did you mean 'text'?"),
        (["cal", "echo"], 2, "No such command 'cal'"),
        (["tools", "ecko"], 5, "has no tool"),
        (["status", "never"], 5, "knows no envelope never"),
        (["wait", "never"], 5, "knows no envelope never"),
        (["cancel", "never"], 5, "knows no envelope never"),
        (["call", "echo"], 2, "missing required parameter: text"),
        (["call", "echo", "--text", "x", "--times", "two"], 2, "not a whole number"),
        (["call", "echo", "--json-args", "{"], 2, "not JSON"),
        (["status", "x", "--gateway", "ftp://x"], 2, "no URL of a gateway"),
    ],
)
def test_what_cannot_be_done_has_its_own_exit_code(asya: CommandLine, words: list[str], code: int, problem: str):
    said = asya(*words)
    assert (said.code, said.out) == (code, "")
    assert problem in said.err
    assert "Traceback" not in said.err


def test_a_proxy_of_the_environment_does_not_come_between(asya: CommandLine):
    """One for the way out of the house cannot know a gateway inside."""
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    assert asya("tools", **proxies).code == 0


def test_ctrl_c_leaves_the_call_alone_and_says_how_to_go_on(asya: CommandLine, gateway: Gateway):
    with asya.start("call", "echo", "--text", "hi") as process:
        assert process.stderr is not None
        envelope_id = process.stderr.readline().split()[-1]
        process.stderr.readline()  # an event: it follows now
        said = asya.interrupted(process)
    assert said.code == 130
    assert f"Follow it: asya wait {envelope_id}. End it: asya cancel {envelope_id}" in said.err
    assert asya("status", envelope_id, "--json").document["status"] == "running"


def test_a_cancel_ends_it_for_the_gateway_and_a_second_one_says_so_too(asya: CommandLine, gateway: Gateway):
    envelope_id = started(asya)
    for _ in range(2):
        said = asya("cancel", envelope_id)
        assert (said.code, said.out) == (0, f"{envelope_id}: cancelled\n")
    done = started(asya)
    report_to(gateway.url, done, "final", status="succeeded", result=1)
    late = asya("cancel", done, "--json")
    assert (late.code, late.document) == (1, {"id": done, "status": "succeeded"})


def test_without_any_gateway_the_exit_code_is_3(tmp_path: Path):
    nowhere = CommandLine(tmp_path, {})
    said = nowhere("tools")
    assert (said.code, said.err.splitlines()[0][:27]) == (3, "error: no gateway is known:")
    away = nowhere("tools", ASYA_TOOL_MCP_URL=f"http://localhost:{free_port()}/")
    assert (away.code, "cannot be reached" in away.err) == (3, True)


def test_tokens_open_what_their_scopes_say_and_no_more(environ: dict[str, str], tmp_path: Path):
    tokens = f"{TOKEN} {READER}|read"
    settings = {name: value for name, value in environ.items() if name != "ASYA_GATEWAY_AUTH"}
    with Gateway({**settings, "ASYA_GATEWAY_TOKENS": tokens}) as gateway:
        asya = CommandLine(tmp_path, {"ASYA_GATEWAY_URL": f"{gateway.url}/mcp"})
        assert asya("tools").code == 7
        assert asya("tools", ASYA_GATEWAY_TOKEN="no-such-token-at-all").code == 7
        refused = asya("cancel", "x", ASYA_GATEWAY_TOKEN=READER)
        assert (refused.code, "lacks the scope cancel" in refused.err) == (7, True)
        (tmp_path / "token").write_text(f"{TOKEN}\n")
        assert asya("tools", "--token-file", str(tmp_path / "token")).code == 0
        said = asya("call", "echo", "--text", "x", "--no-wait", ASYA_GATEWAY_TOKEN=TOKEN)
        assert (said.code, TOKEN in said.err) == (0, False)


def test_a_gateway_that_restarts_meanwhile_costs_a_follower_nothing(environ: dict[str, str], tmp_path: Path):
    environ["ASYA_GATEWAY_PORT"] = str(free_port())
    with Gateway(environ) as first:
        asya = CommandLine(tmp_path, {"ASYA_GATEWAY_URL": first.url})
        envelope_id = started(asya)
        with asya.start("stream", envelope_id, "--json") as process:
            assert process.stdout is not None
            seen = [process.stdout.readline(), process.stdout.readline()]
            first.kill()
            with Gateway(environ) as second:
                assert second.url == first.url
                report_to(second.url, envelope_id, "final", status="succeeded", result=1)
                rest, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    events = [json.loads(line) for line in [*seen, *rest.splitlines()]]
    assert [event["status"] for event in events] == ["pending", "running", "succeeded"]


def test_on_a_terminal_a_bar_moves_and_the_result_is_all_that_is_printed(asya: CommandLine, gateway: Gateway):
    ours, theirs = pty.openpty()
    environ = {**asya.environ, "TERM": "xterm", "COLUMNS": "100"}
    argv = [sys.executable, "-c", f"from {asya.entry} import main; main()", "call", "echo", "--text", "hi"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASYA_")}
    with subprocess.Popen(
        argv, env={**inherited, **environ}, stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as process:
        os.close(theirs)
        shown = b""
        while b"\n" not in shown:  # a terminal gives a line in as many pieces as it likes
            shown += os.read(ours, 4096)
        envelope_id = shown.split()[1].decode()
        report_to(gateway.url, envelope_id, "progress", actors=["echo"], current_actor_idx=0, status="processing")
        report_to(gateway.url, envelope_id, "final", status="succeeded", result={"n": 1})
        with contextlib.suppress(OSError):  # the terminal's end
            while more := os.read(ours, 4096):
                shown += more
        os.close(ours)
        assert process.stdout is not None
        assert json.loads(process.stdout.read()) == {"n": 1}
    assert process.returncode == 0
    assert "━" in shown.decode(errors="replace")
    assert b"%" in shown
