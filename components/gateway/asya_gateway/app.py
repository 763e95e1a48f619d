"""The HTTP application: which path is whose, who may come in, and what errors look like."""

import logging
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from asya_gateway import api_routes, console_routes, envelope_routes, health_routes, mcp, report_routes, tool_routes
from asya_gateway.auth import Door
from asya_gateway.requests import CALLER, Rooms, text_answer
from asya_protocol.errors import StoreUnavailable

log: Final = logging.getLogger(__name__)

OPEN: Final = frozenset({"/health", "/ready"}) | console_routes.PATHS
ANY: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def build_app(rooms: Rooms) -> ASGIApp:
    """Put the routes together."""
    app = Starlette(
        routes=[
            Route("/health", health_routes.health, methods=ANY),
            Route("/ready", health_routes.ready),
            Route("/tools/call", tool_routes.call_tool, methods=["POST"]),
            Route("/envelopes", report_routes.add_child, methods=["POST"]),
            Route("/envelopes/{id}", envelope_routes.show, methods=["GET"]),
            Route("/envelopes/{id}/stream", envelope_routes.stream, methods=["GET"]),
            Route("/envelopes/{id}/active", envelope_routes.active, methods=["GET"]),
            Route("/envelopes/{id}/progress", report_routes.progress, methods=["POST"]),
            Route("/envelopes/{id}/final", report_routes.final, methods=["POST"]),
            Route("/envelopes/{id}/cancel", envelope_routes.cancel, methods=["POST"]),
            Route("/mcp", mcp.post, methods=["POST"]),
            Route("/mcp", mcp.listen, methods=["GET"]),
            Route("/mcp", mcp.leave, methods=["DELETE"]),
            *api_routes.ROUTES,
            *console_routes.ROUTES,
        ],
        exception_handlers={HTTPException: _refuse, StoreUnavailable: _store_away},
    )
    app.state.rooms = rooms
    return Doorkeeper(app, rooms.door)


class Doorkeeper:
    """Lets nobody in without a token that the door knows."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"] not in OPEN:
            known = self._door.admit(Request(scope).headers.get("authorization"))
            if known is None:
                answer = text_answer("Unauthorized", 401, {"WWW-Authenticate": "Bearer"})
                await answer(scope, receive, send)
                return
            scope[CALLER] = known
        await self._app(scope, receive, send)


async def _refuse(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101 - registered for it alone
    text = {404: "Not found", 405: "Method not allowed"} if exc.detail in {"Not Found", "Method Not Allowed"} else {}
    return text_answer(text.get(exc.status_code, exc.detail), exc.status_code, dict(exc.headers or {}))


async def _store_away(_request: Request, exc: Exception) -> Response:
    log.warning("envelope store away", extra={"error": str(exc)})
    return text_answer("Store unavailable, try again", 503, {"Retry-After": "1"})
