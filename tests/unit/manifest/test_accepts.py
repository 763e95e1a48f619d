"""``spec.accepts``: what is refused when it is applied, and what the sidecar is told."""

from typing import Any

import pytest

from asya_manifest.actor import parse_actor
from asya_manifest.environment import build_sidecar_env
from asya_manifest.errors import InvalidActor
from asya_protocol.acceptance import Acceptance, read_acceptance

pytestmark = pytest.mark.unit


def actor(accepts: object, name: str = "edge") -> dict[str, Any]:
    spec = {"transport": "sqs", "image": "a:1", "handler": "a.b", "accepts": accepts}
    return {"apiVersion": "asya.sh/v1alpha1", "kind": "AsyncActor", "metadata": {"name": name}, "spec": spec}


def told(declared: dict[str, Any]) -> list[str | None]:
    return [
        each.value for each in build_sidecar_env(parse_actor(declared), transport="sqs") if each.name == "ASYA_ACCEPTS"
    ]


def test_a_sidecar_is_told_what_to_accept_and_nothing_where_nothing_is_given() -> None:
    (text,) = told(actor({"routes": [["edge", "ocr"]], "otherRoutes": "replace", "controlHeaders": ["x-asya-fan-in"]}))
    assert read_acceptance(text or "") == Acceptance((("edge", "ocr"),), "replace", frozenset({"x-asya-fan-in"}))
    assert told(actor(None)) == []


@pytest.mark.parametrize(
    ("accepts", "name", "said"),
    [
        ({"routes": [["edge"], ["ocr"]]}, "edge", "spec.accepts.routes[1]: 'edge' is not in it"),
        ({"otherRoutes": "replace"}, "edge", "replaces by the first of routes, and there is none"),
        ({"controlHeaders": ["x-tenant"]}, "edge", "'x-tenant' is none of"),
        ({}, "happy-end", "spec.accepts: an end actor has none"),
        ({"from": ["a"]}, "edge", "from"),
    ],
)
def test_what_cannot_be_meant_is_refused(accepts: dict[str, Any], name: str, said: str) -> None:
    with pytest.raises(InvalidActor) as refused:
        parse_actor(actor(accepts, name))
    assert said in str(refused.value)
