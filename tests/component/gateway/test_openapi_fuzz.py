"""schemathesis sends what the OpenAPI document promises, and what it forbids, to a real gateway: no answer may surprise."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.gateway_calls import TOKEN, call, report
from tests.support.gateway_process import SESSION, Gateway

CHECKS = "not_a_server_error,ignored_auth,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.timeout(600)
async def test_no_request_surprises_the_gateway(
    environ: dict[str, str], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    tokens = {"ASYA_GATEWAY_AUTH": "tokens", "ASYA_GATEWAY_TOKENS": TOKEN}
    with Gateway({**environ, **tokens}) as gateway:
        async with gateway.client(TOKEN) as http:
            envelope_id = (await call(http, text="hi"))["envelope_id"]
            await report(http, envelope_id, "progress", actors=["echo"], current_actor_idx=0, status="received")
            await report(http, envelope_id, "final", status="succeeded", result={"n": [1, None]})
        (tmp_path / "schemathesis.toml").write_text(f'[parameters]\n"path.id" = "{envelope_id}"\n')
        headers = {"Authorization": f"Bearer {TOKEN}", **SESSION}
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{gateway.url}/openapi.json",
            "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "1",
            "--request-timeout", "60", "--no-color",
            "--suppress-health-check", "too_slow",  # that is said of a busy machine, too
            # A stream that tells when the tools change ends with the gateway alone.
            "--exclude-operation-id", "listen",
            *(part for name, value in headers.items() for part in ("--header", f"{name}: {value}")),
        ]  # fmt: skip
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, timeout=560, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:]
        assert gateway.stop() == 0
        assert [line for line in gateway.lines if "Traceback" in line or '"level":"ERROR"' in line] == []
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated is not None
    record_property("table", f"schemathesis: {generated[1]} requests, none answered otherwise than the document says")
