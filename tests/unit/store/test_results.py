"""What became of an envelope is written once, survives redelivery and interruption, and is found by its id."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from asya_protocol.status import Status
from asya_store.folder import FolderStore
from asya_store.results import find_result, persist
from asya_store.settings import Prefixes

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ENVELOPE: dict[str, Any] = {
    "id": "e1",
    "route": {"actors": ["a", "b"], "current": 2},
    "headers": {"traceparent": "t"},
    "payload": {"text": "é"},
    "tenant": "kept",
}
DATED = "happy-asya/2026-01-02T03:04:05.678901Z/b/e1.json"


class Interrupted(Exception):
    """The process dies here."""


class FailingStore(FolderStore):
    """A real folder whose writes fail from the n-th on."""

    def __init__(self, root: Path, *, good_writes: int) -> None:
        super().__init__(root)
        self.left = good_writes

    def put(
        self,
        key: str,
        body: bytes,
        content_type: str = "application/json",
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        if self.left == 0:
            raise Interrupted
        self.left -= 1
        super().put(key, body, content_type, metadata=metadata)


def test_both_objects_hold_the_whole_envelope_as_the_original_writes_it(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert persist(store, "happy-asya/", ENVELOPE, MOMENT) == "happy-asya/e1.json"
    assert store.list("happy-asya/") == [DATED, "happy-asya/e1.json"]
    assert store.get(DATED) == store.get("happy-asya/e1.json") == json.dumps(ENVELOPE, indent=2).encode()


def test_a_redelivery_overwrites_its_own_objects(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    persist(store, "happy-asya/", ENVELOPE, MOMENT)
    persist(store, "happy-asya/", {**ENVELOPE, "payload": 2}, MOMENT + timedelta(hours=1))
    assert store.list("") == [DATED, "happy-asya/e1.json"]
    assert json.loads(store.get(DATED) or b"")["payload"] == 2


@pytest.mark.parametrize("good_writes", [0, 1])
def test_an_interrupted_write_raises_and_the_redelivery_completes_it(tmp_path: Path, good_writes: int) -> None:
    with pytest.raises(Interrupted):
        persist(FailingStore(tmp_path, good_writes=good_writes), "happy-asya/", ENVELOPE, MOMENT)
    later = MOMENT + timedelta(hours=1)
    persist(FolderStore(tmp_path), "happy-asya/", ENVELOPE, later)
    dated = DATED if good_writes else DATED.replace("T03:", "T04:")
    assert FolderStore(tmp_path).list("") == [dated, "happy-asya/e1.json"]


def test_values_that_are_no_json_are_written_as_text(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    persist(store, "", {**ENVELOPE, "payload": MOMENT}, MOMENT)
    assert json.loads(store.get("e1.json") or b"")["payload"] == str(MOMENT)


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def test_a_number_that_no_float_holds_is_written_as_json(tmp_path: Path) -> None:
    """The runtime reads 1e400 as infinity, for which JSON has no word; text that looks like it is left alone."""
    body = r'{"id": "e1", "payload": {"n": [1e400, -1e400, 1.5], "Infinity": "-Infinity \" NaN\\", "k": 18446744073709551616}}'
    store = FolderStore(tmp_path)
    persist(store, "happy-asya/", json.loads(body), MOMENT)
    written = store.get("happy-asya/e1.json") or b""
    assert json.loads(written, parse_constant=refuse_constant) == json.loads(body)
    assert b"1e999" in written
    assert find_result(store, Prefixes(), "e1") == (Status.SUCCEEDED, json.loads(body))


def test_what_is_no_number_is_not_written_at_all(tmp_path: Path) -> None:
    """No JSON holds NaN, so the runtime hands none over; called in another way it fails, and the caller keeps the envelope."""
    with pytest.raises(ValueError, match="NaN is no JSON number"):
        persist(FolderStore(tmp_path), "", {**ENVELOPE, "payload": [float("nan")]}, MOMENT)
    assert FolderStore(tmp_path).list("") == []


def test_an_id_that_looks_like_a_path_stays_inside_its_prefix(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    persist(store, "happy-asya/", {**ENVELOPE, "id": "../../x"}, MOMENT)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    found = find_result(store, Prefixes(), "../../x")
    assert found is not None


def test_a_result_is_found_with_its_status(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    persist(store, "happy-asya/", ENVELOPE, MOMENT)
    persist(store, "error-asya/", {**ENVELOPE, "id": "e2"}, MOMENT)
    assert find_result(store, Prefixes(), "e1") == (Status.SUCCEEDED, ENVELOPE)
    assert find_result(store, {}, "e2") == (Status.FAILED, {**ENVELOPE, "id": "e2"})
    assert find_result(store, {"ASYA_S3_RESULTS_PREFIX": "other/"}, "e1") is None
    assert find_result(store, Prefixes(), "e3") is None


@pytest.mark.parametrize(("later", "status"), [("happy-asya/", Status.SUCCEEDED), ("error-asya/", Status.FAILED)])
def test_an_envelope_that_reached_both_ends_has_the_later_status(tmp_path: Path, later: str, status: Status) -> None:
    store = FolderStore(tmp_path)
    for prefix in ("happy-asya/", "error-asya/"):
        persist(store, prefix, ENVELOPE, MOMENT)
        modified_s = 2_000_000_000 if prefix == later else 1_000_000_000
        os.utime(tmp_path / prefix / "e1.json", (modified_s, modified_s))
    found = find_result(store, Prefixes(), "e1")
    assert found is not None
    assert found[0] is status


def test_an_own_id_that_looks_like_a_childs_has_a_result_of_its_own(tmp_path: Path) -> None:
    """Whichever ends last; a child is found by its name where nobody sent one of that name."""
    store = FolderStore(tmp_path)
    child = {**ENVELOPE, "id": "e1-1", "headers": {"x-asya-lineage": [0]}, "payload": "child"}
    assert persist(store, "happy-asya/", child, MOMENT) == "happy-asya/e1-1@0.json"
    assert find_result(store, Prefixes(), "e1-1") == (Status.SUCCEEDED, child)
    own = {**ENVELOPE, "id": "e1-1", "payload": "own"}
    persist(store, "happy-asya/", own, MOMENT)
    persist(store, "error-asya/", {**child, "headers": {"x-asya-lineage": [3]}}, MOMENT)
    assert find_result(store, Prefixes(), "e1-1") == (Status.SUCCEEDED, own)


def test_a_wait_finds_the_end_of_its_own_send(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    first, second = (f"{digit * 32}" for digit in "12")
    ended = {**ENVELOPE, "headers": {"traceparent": f"00-{first}-{'b' * 16}-01"}}
    persist(store, "happy-asya/", ended, MOMENT)
    assert find_result(store, Prefixes(), "e1", second) is None
    assert find_result(store, Prefixes(), "e1", first) == (Status.SUCCEEDED, ended)
    persist(store, "error-asya/", {**ended, "headers": {"traceparent": f"00-{second}-{'b' * 16}-01"}}, MOMENT)
    assert (find_result(store, Prefixes(), "e1", second) or ("",))[0] is Status.FAILED


@pytest.mark.parametrize("headers", [None, [], "x", {"x-asya-lineage": "0"}])
def test_headers_of_any_shape_are_persisted(tmp_path: Path, headers: object) -> None:
    assert (
        persist(FolderStore(tmp_path), "error-asya/", {**ENVELOPE, "headers": headers}, MOMENT) == "error-asya/e1.json"
    )
