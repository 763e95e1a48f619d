"""The crew's handlers in a real runtime, under the names that Asya 0.1.1's manifests use."""

import json
from pathlib import Path

import pytest

from tests.support.runtime_process import running

ENVELOPE = {
    "id": "e1",
    "route": {"actors": ["a"], "current": 1},
    "payload": {"n": 1},
    "deadline": "2026-01-02T03:04:05Z",
}


@pytest.mark.parametrize(("end", "prefix"), [("happy", "happy-asya"), ("error", "error-asya")])
@pytest.mark.parametrize("module", ["handlers.end_handlers", "asya_crew.end_handlers"])
def test_an_envelope_is_kept_whole_and_nothing_is_sent_on(tmp_path: Path, module: str, end: str, prefix: str) -> None:
    environ = {
        "ASYA_HANDLER_MODE": "envelope",
        "ASYA_ENABLE_VALIDATION": "false",
        "ASYA_STORE_URL": tmp_path.as_uri(),
    }
    with running(f"{module}.{end}_end_handler", environ=environ) as runtime, runtime.connect() as client:
        assert client.call(ENVELOPE) == [{}]
    assert json.loads((tmp_path / prefix / "e1.json").read_bytes()) == ENVELOPE


def test_a_number_that_no_float_holds_is_persisted_as_json(tmp_path: Path) -> None:
    environ = {
        "ASYA_HANDLER_MODE": "envelope",
        "ASYA_ENABLE_VALIDATION": "false",
        "ASYA_STORE_URL": tmp_path.as_uri(),
    }
    body = b'{"id": "e1", "route": {"actors": ["a"], "current": 1}, "payload": {"error": "e", "original_payload": [1e400]}}'
    with running("handlers.end_handlers.error_end_handler", environ=environ) as runtime, runtime.connect() as client:
        assert client.call(body) == [{}]
    written = (tmp_path / "error-asya" / "e1.json").read_text()
    assert "1e999" in written
    assert "Infinity" not in written
    assert json.loads(written) == json.loads(body)


def test_a_runtime_in_payload_mode_refuses_to_start() -> None:
    with running("handlers.end_handlers.happy_end_handler", ready=False) as runtime:
        assert runtime.wait_exit() == 1
        assert "RuntimeError: End handlers must run in envelope mode" in runtime.log


def test_a_wrong_store_url_is_named_when_it_starts() -> None:
    environ = {"ASYA_HANDLER_MODE": "envelope", "ASYA_ENABLE_VALIDATION": "false", "ASYA_STORE_URL": "nonsense"}
    with running("handlers.end_handlers.happy_end_handler", ready=False, environ=environ) as runtime:
        assert runtime.wait_exit() == 1
        assert "ASYA_STORE_URL: 'nonsense' is not a folder's URL" in runtime.log
