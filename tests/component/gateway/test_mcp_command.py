"""``asya-mcp``: Asya 0.1.1's outputs word for word where they were right, and its defects mended."""

import json
import re
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tests.support.gateway_process import Gateway, report_to, show

TOOLS = """
tools:
  - name: hello
    description: Hello from hello-actor
    parameters:
      who: {type: string, description: Hello to who, required: true}
      max-words: {type: integer, default: 5, options: [5, 10]}
      exact: {type: boolean}
      where: {type: object}
    route: [echo]
    progress: true
"""


@pytest.fixture
def asya_mcp(environ: dict[str, str], gateway: Gateway, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, {"ASYA_TOOL_MCP_URL": f"{gateway.url}/"}, "asya_cli.mcp")


@pytest.fixture
def environ(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    (tmp_path / "tools.yaml").write_text(TOOLS)
    return environ


def test_a_list_is_yaml_in_the_tools_own_order(asya_mcp: CommandLine):
    said = asya_mcp("list")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "- name: hello\n  description: Hello from hello-actor\n  parameters:\n"
        "    who:\n      type: string\n      required: true\n"
        "    max-words:\n      type: integer\n      required: false\n"
        "    exact:\n      type: boolean\n      required: false\n"
        "    where:\n      type: object\n      required: false\n"
    )


def test_one_tool_is_shown_whole(asya_mcp: CommandLine):
    out = asya_mcp("show", "hello").out
    assert out.startswith("name: hello\n")
    assert "description: Hello to who" in out
    assert "options:\n    - 5\n    - 10\n    default: 5\n" in out


def test_a_call_streams_its_progress_and_prints_the_final_event(asya_mcp: CommandLine, gateway: Gateway):
    with asya_mcp.start(
        "call", "hello", "--who=artem", "--max-words", "10", "--exact", '--where={"a": [-1]}'
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        found = re.fullmatch(r"\[\.\] Envelope ID: (\S+)\n", first)
        assert found is not None, first
        envelope_id = found[1]
        payload = show(gateway.url, envelope_id)["payload"]
        report_to(gateway.url, envelope_id, "progress", actors=["echo"], current_actor_idx=0, status="processing")
        report_to(gateway.url, envelope_id, "final", status="succeeded", result={"message": "Hello World!"})
        out, err = process.communicate(timeout=60)
    assert payload == {"who": "artem", "max-words": 10, "exact": True, "where": {"a": [-1]}}
    event = json.loads(out)
    assert out == json.dumps(event, indent=2) + "\n"
    assert event.pop("timestamp")
    assert event == {
        "id": envelope_id, "status": "succeeded", "message": "Envelope completed successfully",
        "result": {"message": "Hello World!"}, "progress_percent": 100.0, "actor": "echo",
    }  # fmt: skip
    assert "[.] Processing:  50% | echo, processing" in err
    assert process.returncode == 0


def test_without_streaming_the_answer_is_printed_as_it_came(asya_mcp: CommandLine):
    said = asya_mcp("--no-stream", "call", "hello", '{"who": "you"}')
    assert said.code == 0
    told = json.loads(said.document["content"][0]["text"])
    assert told["message"] == "Envelope created successfully"
    state = asya_mcp("status", told["envelope_id"])
    assert (state.code, state.document["payload"]) == (0, {"who": "you", "max-words": 5})


def test_a_failed_envelope_and_a_refused_call_exit_with_1(asya_mcp: CommandLine, gateway: Gateway):
    refused = asya_mcp("call", "hello", "--exact=true")
    assert (refused.code, refused.document["isError"]) == (1, True)
    assert "[-] missing required parameter: who" in refused.err
    told = json.loads(asya_mcp("--no_stream", "call", "hello", "--who", "x").document["content"][0]["text"])
    report_to(gateway.url, told["envelope_id"], "final", status="failed", error="no")
    streamed = asya_mcp("stream", told["envelope_id"])
    assert streamed.code == 1
    assert [json.loads(line)["status"] for line in streamed.out.splitlines()] == ["pending", "running", "failed"]


def test_debugging_shows_arguments_and_events(asya_mcp: CommandLine, gateway: Gateway):
    with asya_mcp.start("--debug", "call", "hello", "--who=me") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == '[.] Arguments: {"who":"me"}\n'
        envelope_id = process.stderr.readline().split()[-1]
        report_to(gateway.url, envelope_id, "final", status="succeeded", result=1)
        _, err = process.communicate(timeout=60)
    assert '[.] {"id":"' in err
    assert "Processing:" not in err.replace('"Processing', "")


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["show", "hallo"], 1, "[-] Tool 'hallo' not found"),
        (["call", "hallo", "--a=1"], 1, "[-] Tool 'hallo' not found"),
        (["call", "hallo"], 1, "[-] Tool 'hallo' not found"),
        (["call", "hello", "{who: x}"], 1, "[-] Arguments cannot be read:"),
        (["status", "never"], 1, "[-] Request failed:"),
        (["stream", "never"], 1, "[-] Request failed:"),
        (["--url", "http://127.0.0.1:9", "list"], 1, "[-] Request failed:"),
        (["dance"], 2, "invalid choice"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(
    asya_mcp: CommandLine, words: list[str], code: int, problem: str
):
    said = asya_mcp(*words)
    assert (said.code, said.out) == (code, "")
    assert problem in said.err
    assert "Traceback" not in said.err


def test_a_gateway_without_tools_is_warned_of(environ: dict[str, str], tmp_path: Path):
    without = {name: value for name, value in environ.items() if name != "ASYA_CONFIG_PATH"}
    with Gateway(without) as gateway:
        said = CommandLine(tmp_path, {}, "asya_cli.mcp")("--url", gateway.url, "list")
    assert (said.code, said.out, said.err) == (0, "", "[!] No tools available\n")
