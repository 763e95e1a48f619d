"""The HTTP application: routes, middleware, and the form of errors."""

import logging
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from asya_gateway.access.buckets import Buckets
from asya_gateway.access.middleware import AccessMiddleware, with_origins
from asya_gateway.mcp import endpoint as mcp
from asya_gateway.requests import text_answer
from asya_gateway.routes import console_api as api_routes
from asya_gateway.routes import console_page as console_routes
from asya_gateway.routes import envelopes as envelope_routes
from asya_gateway.routes import health as health_routes
from asya_gateway.routes import oauth_resource as resource_routes
from asya_gateway.routes import openapi
from asya_gateway.routes import pieces as piece_routes
from asya_gateway.routes import reports as report_routes
from asya_gateway.routes import tools as tool_routes
from asya_gateway.services import App
from asya_protocol.errors import StoreUnavailable

log: Final = logging.getLogger(__name__)

OPEN: Final = frozenset({"/health", "/ready", "/openapi.json"}) | resource_routes.PATHS | console_routes.PATHS
ANY: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


ROUTES: Final = [
    Route("/health", health_routes.health, methods=ANY),
    Route("/ready", health_routes.ready),
    Route("/metrics", health_routes.metrics, methods=["GET"]),
    Route("/openapi.json", openapi.show, methods=["GET"]),
    Route("/tools/call", tool_routes.call_tool, methods=["POST"]),
    Route("/envelopes", report_routes.add_child, methods=["POST"]),
    Route("/envelopes/{id}", envelope_routes.show, methods=["GET"]),
    Route("/envelopes/{id}/stream", envelope_routes.stream, methods=["GET"]),
    Route("/envelopes/{id}/pieces", piece_routes.stream, methods=["GET"]),
    Route("/envelopes/{id}/active", envelope_routes.active, methods=["GET"]),
    Route("/envelopes/{id}/progress", report_routes.progress, methods=["POST"]),
    Route("/envelopes/{id}/final", report_routes.final, methods=["POST"]),
    Route("/envelopes/{id}/cancel", envelope_routes.cancel, methods=["POST"]),
    Route("/reports", report_routes.take_batch, methods=["POST"]),
    Route("/pieces", piece_routes.take, methods=["POST"]),
    Route("/mcp", mcp.post, methods=["POST"]),
    Route("/mcp", mcp.listen, methods=["GET"]),
    Route("/mcp", mcp.leave, methods=["DELETE"]),
    *resource_routes.ROUTES,
    *api_routes.ROUTES,
    *console_routes.ROUTES,
]


def build_app(app: App) -> ASGIApp:
    """Put the routes together."""
    routes = Starlette(
        routes=ROUTES,
        exception_handlers={HTTPException: _refuse, StoreUnavailable: _store_away},
    )
    routes.state.app = app
    settings = app.settings
    guarded = AccessMiddleware(
        routes,
        door=settings.door,
        origins=settings.origins,
        names={"localhost", settings.host.lower(), urlsplit(settings.public_url).hostname or ""},
        public_url=settings.public_url if settings.door.issuer else "",
        buckets=Buckets(settings.rate, settings.burst) if settings.rate else None,
        metrics=app.metrics,
        open_paths=OPEN,
        labels={route.endpoint: route.path for route in routes.routes if isinstance(route, Route)},
    )
    return with_origins(guarded, settings.origins)


async def _refuse(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101 - registered for it alone
    text = {404: "Not found", 405: "Method not allowed"} if exc.detail in {"Not Found", "Method Not Allowed"} else {}
    return text_answer(text.get(exc.status_code, exc.detail), exc.status_code, dict(exc.headers or {}))


async def _store_away(_request: Request, exc: Exception) -> Response:
    log.warning("envelope store away", extra={"error": str(exc)})
    return text_answer("Store unavailable, try again", 503, {"Retry-After": "1"})
