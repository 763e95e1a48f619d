"""What a web page, a payload's words or another user of this machine can reach."""

import os
import stat
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import pytest

from asya_cli.console import Console, draw_table
from asya_cli.exit_codes import CommandError
from asya_cli.plain_text import json_text, plain
from asya_gateway.access.hosts import is_ours
from asya_local import localstack
from asya_local.container import FilePlan, MountedFile, lay_out
from asya_local.state import StateFolder
from asya_protocol.reply import ErrorItem
from asya_sidecar.core.admit import Hop, Work, admit
from asya_sidecar.core.call_outcome import Replied
from asya_sidecar.core.decide import Moment, decide
from tests.support.gateway_calls import TOKEN
from tests.support.gateway_in_process import own_gateway
from tests.unit.sidecar.samples import NOW, SPAN, TRACE, envelope_bytes

FORGED = "\x1b[2J\x1b]52;c;eA==\x07done\rover\x9b1m\u202eevil"


async def test_gateway_m1_a_page_reads_nothing_under_a_name_of_its_own(tmp_path: Path) -> None:
    """Browsers leave Origin out of what a page reads from its own server, and rebinding makes this one that."""
    async with own_gateway(tmp_path) as gateway:
        for host, status in {
            "pages.example": 403, "pages.example:8080": 403, "gateway.dev": 403, "localhost.": 403, "localhost": 200,
            "127.0.0.1:8080": 200, "[::1]": 200, "asya-gateway.asya.svc.cluster.local": 200, "asya-gateway": 200,
        }.items():  # fmt: skip
            async with gateway.client(host="localhost") as http:
                answer = await http.get("/api/v1/envelopes", headers={"Host": host})
                assert (host, answer.status_code) == (host, status)
        async with gateway.client(host="pages.example") as http:
            assert (await http.get("/health")).status_code == 200  # whoever balances load
            foreign = {"Origin": "http://pages.example"}
            assert (await http.post("/tools/call", json={"name": "brief"}, headers=foreign)).status_code == 403
    async with (
        own_gateway(tmp_path, ASYA_GATEWAY_CORS_ORIGINS="http://pages.example") as gateway,
        gateway.client(host="pages.example") as http,
    ):
        assert (await http.get("/api/v1/envelopes")).status_code == 200
    async with (
        own_gateway(tmp_path, ASYA_GATEWAY_TOKENS=TOKEN) as gateway,
        gateway.client(TOKEN, host="pages.example") as http,  # whoever has a token is no page
    ):
        assert (await http.get("/api/v1/envelopes")).status_code == 200


def test_gateway_m1_names_that_a_public_server_gives_out_are_no_names_of_ours() -> None:
    assert all(map(is_ours, ("10.0.0.1", "::1", "gateway", "gateway.ns.svc", "box.local")))
    assert not any(map(is_ours, ("", "gateway.prod", "localhost.evil.example", "svc.example", "127.0.0.1.nip.io")))


async def test_gateway_m4_agents_are_told_to_ask_for_calls_alone() -> None:
    from asya_gateway.routes.oauth_resource import SCOPES

    assert SCOPES == ("call:*",)


def test_gateway_m5_the_local_mesh_keeps_its_files_to_its_owner(tmp_path: Path) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    before = os.umask(0o022)
    try:
        home = tmp_path / "old"
        home.mkdir(mode=0o755)
        for folder in (home, tmp_path / "new"):
            with StateFolder(folder).locked():
                assert mode(folder) == 0o700
        seen: list[int] = []
        real = os.fdopen

        def noted(handle: int, *args: Any) -> Any:
            seen.append(stat.S_IMODE(os.fstat(handle).st_mode))
            return real(handle, *args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fdopen", noted)
            lay_out(FilePlan(files=(MountedFile(PurePosixPath("/etc/creds/key"), b"secret", 0o444),)), home)
        assert seen == [0o600]  # before a byte of it is written
        assert mode(home / "etc/creds/key") == 0o444  # as the manifest says, below a folder that nobody else enters
    finally:
        os.umask(before)


def test_gateway_m6_a_terminal_gets_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.result(None, ["a\tb\nc", FORGED])
    console.note(FORGED)
    console.warn(FORGED)
    console.failure("failed", FORGED, "echo", FORGED, {"traceback": f"line\n{FORGED}", "message": FORGED})
    console.error(CommandError(FORGED, FORGED))
    console.table(["id"], [[FORGED]])
    Console(as_json=True).result({"id": FORGED})
    said = "".join(capsys.readouterr())
    assert set(said) & {chr(code) for code in (*range(9), *range(11, 32), *range(0x7F, 0xA0), 0x202E)} == set()
    assert "a\tb\nc\n" in said
    assert "\\x1b[2J" in said
    (cell,) = draw_table(["id"], [[FORGED]]).columns[0].cells
    assert "\x1b" not in str(cell)


def test_gateway_m6_json_stays_the_same_value() -> None:
    text = json_text({"id": FORGED, "name": "Größe 日本"}, indent=2)
    assert msgspec.json.decode(text) == {"id": FORGED, "name": "Größe 日本"}
    assert "Größe 日本" in text
    assert "\x9b" not in text
    assert plain("Größe\r\n日本") == "Größe\n日本"


def test_gateway_l2_the_stand_in_answers_no_page(tmp_path: Path) -> None:
    assert localstack._environment(tmp_path, 4566, ["sqs"])["MOTO_DISABLE_GLOBAL_CORS"] == "true"


SECRET = "marked-payload-text"


@pytest.mark.parametrize(("code", "attempt"), [("processing_error", 1), ("processing_error", 1000), ("other", 1)])
@pytest.mark.parametrize("end", [False, True])
def test_gateway_m7_a_handlers_words_stay_out_of_logs(code: str, attempt: int, end: bool) -> None:
    hop = Hop(actor="happy-end" if end else "ocr", is_end_actor=end)
    work = admit(envelope_bytes(headers={"x-asya-attempt": attempt}), hop, NOW)
    assert isinstance(work, Work)
    error = ErrorItem(code, f"cannot read {SECRET}", "ValueError", ("ValueError",), f"Traceback {SECRET}")
    decision = decide(work, Replied(error=error), hop, Moment(NOW, 0.5, TRACE, SPAN))
    assert SECRET in decision.cause or decision.cause == code
    assert decision.logged(causes=False) == f"{code}: ValueError"
    assert decision.logged(causes=True) == decision.cause
