"""Liveness (``/health``), readiness (``/ready``) and metrics. The first two need no token."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from asya_gateway.access.middleware import require
from asya_gateway.requests import app_of, text_answer


async def health(_request: Request) -> Response:
    """Answer."""
    return PlainTextResponse("OK\n")


async def metrics(request: Request) -> Response:
    """Return this process's metrics."""
    require(request, "metrics")
    return Response(app_of(request).metrics.page(), media_type=CONTENT_TYPE_LATEST)


async def ready(request: Request) -> Response:
    """Check database and broker."""
    app = app_of(request)
    if app.pubsub.stopping:
        return text_answer("stopping", 503)
    if problem := await app.readiness.problem():
        return text_answer(problem, 503)
    if app.calls.toolbox.problem is not None:  # it serves the last good ones
        return text_answer("OK, but the tool files are broken and the last good ones serve: the log says why", 200)
    return PlainTextResponse("OK\n")
