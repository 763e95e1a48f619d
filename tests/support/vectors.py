"""The golden vectors, and the check of a runtime's answer against one of them."""

import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import pytest


def load(name: str) -> dict[str, Any]:
    """One file of vectors."""
    document: dict[str, Any] = json.loads((files("asya_protocol") / "vectors" / name).read_text("utf-8"))
    return document


def named(cases: Iterable[dict[str, Any]]) -> list[Any]:
    """Cases as pytest parameters that carry their own names."""
    return [pytest.param(case, id=case["name"]) for case in cases]


def body_of(case: dict[str, Any]) -> bytes:
    """The bytes of an envelope's case."""
    if "body_hex" in case:
        return bytes.fromhex(case["body_hex"])
    depth = case.get("nested", 0)
    text: str = case["body"]
    return (text.replace("@", "[" * depth + "]" * depth) if depth else text).encode()


def check_items(got: list[Any] | None, wanted: list[Any]) -> None:
    """Compare a runtime's items with a vector's; error details are compared as far as the vector gives them."""
    assert got is not None, "the runtime closed the connection without an answer"
    assert [_comparable(item, other) for item, other in zip(got, wanted, strict=False)] == [
        _wanted(item) for item in wanted
    ]
    assert len(got) == len(wanted), got


def _comparable(item: Any, wanted: Any) -> Any:
    if not isinstance(item, dict) or "error" not in item or "error" not in wanted:
        return item
    details = item["details"]
    assert set(details) == {"message", "type", "mro", "traceback", *(wanted["details"].keys() & {"permanent"})}
    assert isinstance(details["traceback"], str)
    start = wanted["details"].get("message_starts")
    if start is not None:
        assert details["message"].startswith(start), details["message"]
    return {
        "error": item["error"],
        "details": {name: details[name] for name in wanted["details"] if name != "message_starts"},
    }


def _wanted(item: Any) -> Any:
    if not isinstance(item, dict) or "error" not in item:
        return item
    details = {name: value for name, value in item["details"].items() if name != "message_starts"}
    return {"error": item["error"], "details": details}
