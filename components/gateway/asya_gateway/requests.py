"""What all routes share: the rooms behind them, bodies with a limit, answers in Asya 0.1.1's shapes."""

import asyncio
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from asya_gateway.access.tokens import EVERYONE, Caller, Door
from asya_gateway.calls import Calls
from asya_gateway.console_services import Watch
from asya_gateway.metrics import Metrics
from asya_gateway.store.port import EnvelopeStore
from asya_gateway.wakeups import PubSub

T = TypeVar("T")
CALLER: Final = "asya_caller"
LONGEST_ID: Final = 512


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the routes work with."""

    store: EnvelopeStore
    calls: Calls
    wakeups: PubSub
    door: Door = field(default_factory=Door)
    max_body_bytes: int = 16 * 1024 * 1024
    max_wait_s: float = 60.0
    request_timeout_s: float = 30.0
    origins: frozenset[str] = frozenset()
    """Origins of pages that may call."""
    host: str = ""
    """What it listens on, an address or a name."""
    public_url: str = ""
    """Where callers reach it; empty is not known."""
    rate: float = 0.0
    """Requests per second and caller; 0 is without limit."""
    burst: int = 1
    kept_s: float | None = None
    """How long final records are kept; ``None`` is for ever."""
    metrics: Metrics = field(default_factory=Metrics)
    watch: Watch | None = None

    @property
    def watched(self) -> Watch:
        """What the console's routes work with.

        Raises:
            HTTPException: 404, this gateway was built without.
        """
        if self.watch is None:
            raise HTTPException(404, "Not found")
        return self.watch

    @property
    def issuer(self) -> str:
        """Who gives out tokens besides those that are set; empty is nobody."""
        return self.door.provider.issuer if self.door.provider is not None else ""


def rooms(request: Request) -> Rooms:
    """Get at the rooms of this application."""
    found: Rooms = request.app.state.rooms
    return found


def caller(request: Request) -> Caller:
    """Say who asks; the door has let them in."""
    found: Caller = request.scope.get(CALLER, EVERYONE)
    return found


def require(request: Request, scope: str) -> None:
    """Refuse a caller without a scope.

    Raises:
        HTTPException: 403.
    """
    if not caller(request).may(scope):
        raise HTTPException(403, f"Token lacks the scope {scope}")


async def read_body(request: Request) -> bytes:
    """Read a body.

    Raises:
        HTTPException: 413, it is over the limit; 408, it does not come.
    """
    here = rooms(request)
    try:
        async with asyncio.timeout(here.request_timeout_s):
            return await _read(request, here.max_body_bytes)
    except TimeoutError:
        text = f"Request body did not come within {here.request_timeout_s:g} seconds"
        raise HTTPException(408, text, {"Connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "Request body is incomplete") from None


async def _read(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise HTTPException(413, f"Request body is over the limit of {limit} bytes", {"Connection": "close"})
        parts.append(part)
    return b"".join(parts)


async def read_json(request: Request, shape: type[T]) -> T:
    """Read a body of a shape; unknown keys are ignored.

    Raises:
        HTTPException: 400, it is not of that shape; 413.
    """
    body = await read_body(request)
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise HTTPException(400, "Invalid request body") from None


def json_answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


def text_answer(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """Answer with a line of text."""
    return PlainTextResponse(f"{text}\n", status, headers)


def path_id(request: Request) -> str:
    """Read the envelope id of a path."""
    return str(request.path_params["id"])
