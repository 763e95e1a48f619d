"""Is the process alive (``/health``), and can it do its work (``/ready``)? Both are open to everyone."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from asya_gateway.requests import require, rooms, text_answer
from asya_protocol.errors import StoreUnavailable, TransportError


async def health(_request: Request) -> Response:
    """Answer."""
    return PlainTextResponse("OK\n")


async def metrics(request: Request) -> Response:
    """Show this process's metrics."""
    require(request, "metrics")
    return Response(rooms(request).metrics.page(), media_type=CONTENT_TYPE_LATEST)


async def ready(request: Request) -> Response:
    """Ask the database and the broker."""
    here = rooms(request)
    if here.wakeups.stopping:
        return text_answer("stopping", 503)
    try:
        await here.store.ping()
    except StoreUnavailable:
        return text_answer("the envelope database does not answer", 503)
    try:
        await here.calls.ping()
    except (TransportError, TimeoutError):
        return text_answer("the broker does not answer", 503)
    if here.calls.toolbox.problem is not None:  # it serves the last good ones
        return text_answer("OK, but the tool files are broken and the last good ones serve: the log says why", 200)
    return PlainTextResponse("OK\n")
