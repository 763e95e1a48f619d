"""The OpenAPI document says what the routes are, no more and no less."""

from starlette.routing import Route

from asya_gateway.app import ROUTES
from asya_gateway.routes.openapi import document

INTERNAL = ("/api/", "/console/")
"""Of the console alone, like its page at ``/``; they change with it."""


def test_every_route_is_in_the_document_and_nothing_else() -> None:
    served: dict[str, set[str]] = {}
    for route in ROUTES:
        assert isinstance(route, Route)
        if route.path != "/" and not route.path.startswith(INTERNAL):
            methods = {"get"} if route.path == "/health" else {each.lower() for each in route.methods or ()}
            served.setdefault(route.path, set()).update(methods - {"head"})
    assert {path: set(operations) for path, operations in document()["paths"].items()} == served


def test_every_reference_leads_somewhere() -> None:
    whole = document()
    known = set(whole["components"]["schemas"])
    found: set[str] = set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(reference := node.get("$ref"), str):
                found.add(reference.removeprefix("#/components/schemas/"))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(whole)
    assert found <= known
    assert {"ToolCall", "ChildBody", "ProgressBody", "FinalBody", "Envelope", "CallToolResult"} <= found
    assert whole["components"]["schemas"]["FinalBody"]["required"] == ["status"]
