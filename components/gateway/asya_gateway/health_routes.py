"""Is the process alive (``/health``), and can it do its work (``/ready``)? Both are open to everyone."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from asya_gateway.requests import rooms, text_answer
from asya_protocol.errors import StoreUnavailable


async def health(_request: Request) -> Response:
    """Answer."""
    return PlainTextResponse("OK\n")


async def ready(request: Request) -> Response:
    """Ask the database, and look at what the last send met."""
    here = rooms(request)
    if here.wakeups.stopping:
        return text_answer("stopping", 503)
    try:
        await here.store.ping()
    except StoreUnavailable:
        return text_answer("the envelope database does not answer", 503)
    if here.calls.problem is not None:
        return text_answer("the broker did not take the last envelope", 503)
    return PlainTextResponse("OK\n")
