"""What an actor takes from its queue: routes that are listed, and no control headers that nobody allowed."""

import msgspec
import pytest

from asya_protocol import names
from asya_protocol.acceptance import Acceptance, NotAccepted, accept, read_acceptance, write_acceptance
from asya_protocol.envelope import Envelope, Route

pytestmark = pytest.mark.unit

EDGE = Acceptance(routes=(("edge", "ocr", "store"), ("edge",)))


def envelope(*actors: str, current: int = 0, **headers: object) -> Envelope:
    return Envelope(
        "e", Route(actors, current), msgspec.Raw(b"1"), headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


@pytest.mark.parametrize("route", EDGE.routes)
def test_a_listed_route_passes_as_it_is(route: tuple[str, ...]) -> None:
    given = envelope(*route, trace_id="t")
    assert accept(given, EDGE, "edge") is given


@pytest.mark.parametrize(
    "route", [("edge", "ocr"), ("edge", "ocr", "store", "billing"), ("edge", "billing"), ("edge", "x-dlq")]
)
def test_another_route_is_refused_with_what_would_do(route: tuple[str, ...]) -> None:
    with pytest.raises(NotAccepted) as refused:
        accept(envelope(*route), EDGE, "edge")
    assert (
        str(refused.value) == f"Route not accepted: edge takes edge -> ocr -> store; edge, and not {' -> '.join(route)}"
    )


def test_an_edge_that_fixes_the_route_gives_its_own() -> None:
    rule = Acceptance(routes=(("first", "edge", "ocr"),), other_routes="replace")
    taken = accept(envelope("edge", "billing"), rule, "edge")
    assert (taken.route.actors, taken.route.current) == (("first", "edge", "ocr"), 1)


def test_headers_that_steer_the_mesh_are_taken_off_but_for_those_allowed() -> None:
    steering = {names.HEADER_FAN_IN: {"group": "g"}, names.HEADER_LINEAGE: [0]}
    kept = {names.HEADER_ATTEMPT: 2, names.HEADER_MARK: "m", names.HEADER_TRACEPARENT: "00", "tenant": "t"}
    given = Envelope("e", Route(("edge",)), headers={**steering, **kept})
    assert accept(given, Acceptance(), "edge").headers == kept
    allowed = Acceptance(control_headers=frozenset({names.HEADER_LINEAGE}))
    assert accept(given, allowed, "edge").headers == {names.HEADER_LINEAGE: [0], **kept}


def test_a_rule_is_read_as_it_was_written() -> None:
    rule = Acceptance((("a", "b"),), "replace", frozenset({names.HEADER_FAN_IN}))
    assert read_acceptance(write_acceptance(rule)) == rule
    assert read_acceptance("") is None
    with pytest.raises(ValueError, match="is no rule of what to accept"):
        read_acceptance('{"routes": 1}')
