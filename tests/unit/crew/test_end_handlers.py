"""The end handlers: which runtime they refuse, what they keep, and the names that Asya 0.1.1's manifests use."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from asya_protocol.errors import StoreUnavailable

ENVELOPE = {"id": "e1", "route": {"actors": ["a"], "current": 0}, "payload": {"error": "x", "original_payload": 1}}
MODULES = ("handlers.end_handlers", "asya_crew.end_handlers")
Load = Callable[..., ModuleType]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Import the handlers anew, as a runtime with this environment would."""

    def load(**environ: str) -> ModuleType:
        for name in ("ASYA_HANDLER_MODE", "ASYA_ENABLE_VALIDATION", "ASYA_STORE_URL", "ASYA_S3_BUCKET"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        for name in MODULES:
            monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(MODULES[0])

    return load


GOOD = {"ASYA_HANDLER_MODE": "envelope", "ASYA_ENABLE_VALIDATION": "false"}


@pytest.mark.parametrize("mode", [None, "", "payload", "PAYLOAD"])
def test_payload_mode_is_refused_at_import(load: Load, mode: str | None) -> None:
    environ = {"ASYA_ENABLE_VALIDATION": "false"} | ({} if mode is None else {"ASYA_HANDLER_MODE": mode})
    with pytest.raises(RuntimeError, match=r"^End handlers must run in envelope mode"):
        load(**environ)


@pytest.mark.parametrize("validation", [None, "", "true", "True", "1", "yes", "on"])
def test_validation_is_refused_at_import(load: Load, validation: str | None) -> None:
    environ = {"ASYA_HANDLER_MODE": "envelope"} | ({} if validation is None else {"ASYA_ENABLE_VALIDATION": validation})
    with pytest.raises(RuntimeError, match=r"^End handlers must run with validation disabled"):
        load(**environ)


def test_each_end_keeps_its_envelopes_under_its_own_prefix(load: Load, tmp_path: Path) -> None:
    handlers = load(**GOOD, ASYA_STORE_URL=tmp_path.as_uri())
    assert handlers.happy_end_handler(ENVELOPE) == {}
    assert handlers.error_end_handler(ENVELOPE) == {}
    for prefix in ("happy-asya", "error-asya"):
        assert json.loads((tmp_path / prefix / "e1.json").read_bytes()) == ENVELOPE
        assert len(list((tmp_path / prefix).glob("*Z/a/e1.json"))) == 1


@pytest.mark.parametrize(
    ("template", "added"),
    [
        ("https://traces.example/{trace_id}", {"trace": {"id": "a" * 32, "url": f"https://traces.example/{'a' * 32}"}}),
        ("", {}),
    ],
)
def test_a_failure_s_object_links_to_its_trace_where_there_is_a_template(
    load: Load, tmp_path: Path, template: str, added: dict[str, object]
) -> None:
    failed = {**ENVELOPE, "headers": {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}}
    handlers = load(**GOOD, ASYA_STORE_URL=tmp_path.as_uri(), ASYA_TRACE_URL=template)
    handlers.error_end_handler(failed)
    handlers.happy_end_handler(failed)
    assert json.loads((tmp_path / "error-asya" / "e1.json").read_bytes()) == {**failed, **added}
    assert json.loads((tmp_path / "happy-asya" / "e1.json").read_bytes()) == failed


def test_without_a_store_nothing_is_kept_and_nothing_fails(load: Load) -> None:
    assert load(**GOOD).happy_end_handler(ENVELOPE) == {}


def test_a_store_that_fails_is_not_swallowed(load: Load, tmp_path: Path) -> None:
    (tmp_path / "happy-asya").write_text("a file where the folder should be")
    with pytest.raises(StoreUnavailable, match="happy-asya"):
        load(**GOOD, ASYA_STORE_URL=tmp_path.as_uri()).happy_end_handler(ENVELOPE)


@pytest.mark.parametrize("value", [None, [], "e1", 7])
def test_what_is_no_object_is_refused(load: Load, value: object) -> None:
    with pytest.raises(ValueError, match="Envelope must be a dict"):
        load(**GOOD).error_end_handler(value)


def test_an_envelope_without_id_is_refused(load: Load) -> None:
    with pytest.raises(ValueError, match=r"^Envelope missing required field: id$"):
        load(**GOOD).error_end_handler({"payload": 1})


def test_two_parse_errors_without_an_id_are_both_kept(load: Load, tmp_path: Path) -> None:
    handlers = load(**GOOD, ASYA_STORE_URL=tmp_path.as_uri())
    for text in ("one", "other", "one"):
        handlers.error_end_handler({"id": "", "route": {"actors": ["error-end"], "current": 0}, "payload": text})
    assert len(list((tmp_path / "error-asya").glob("no-id-*.json"))) == 2
