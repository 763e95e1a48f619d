"""Reading requests and writing answers: bodies with a limit, and the shapes of Asya 0.1.1."""

import asyncio
from typing import Final, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from asya_gateway.access.body_budget import Held, OverBudget
from asya_gateway.access.middleware import HELD, caller_key
from asya_gateway.services import App

T = TypeVar("T")

SMALL_BYTES: Final = 256 * 1024
"""Body of a request that carries no user's value: a redrive, a progress report, a child; room for a route of 1,000 actors."""


def app_of(request: Request) -> App:
    """Return the application that a request was sent to."""
    found: App = request.app.state.app
    return found


async def read_body(request: Request, limit: int | None = None) -> bytes:
    """Read a request's body. It counts as held until the answer begins, or ``release_body``.

    Args:
        request: The request.
        limit: Bytes that it may have; never more than the gateway's own limit, which is the default.

    Raises:
        HTTPException: 413, it is over the limit; 408, it does not arrive in time; 429 or 503, too much is being read at once.
    """
    app = app_of(request)
    settings = app.settings
    most = settings.max_body_bytes if limit is None else min(limit, settings.max_body_bytes)
    held = request.scope[HELD] = Held(app.bodies, caller_key(request))
    try:
        async with asyncio.timeout(settings.request_timeout_s):
            return await _read(request, most, held)
    except TimeoutError:
        text = f"Request body did not come within {settings.request_timeout_s:g} seconds"
        raise HTTPException(408, text, {"Connection": "close"}) from None
    except OverBudget as exc:
        headers = {"Connection": "close", "Retry-After": "1"}
        raise HTTPException(429 if exc.own else 503, str(exc), headers) from None
    except ClientDisconnect:
        raise HTTPException(400, "Request body is incomplete") from None


def release_body(request: Request) -> None:
    """Say that nothing of a request's body is held any more, before an answer that takes its time."""
    held = request.scope.get(HELD)
    if isinstance(held, Held):
        held.release()


async def _read(request: Request, limit: int, held: Held) -> bytes:
    parts: list[bytes] = []
    async for part in request.stream():
        if held.size + len(part) > limit:
            raise HTTPException(413, f"Request body is over the limit of {limit} bytes", {"Connection": "close"})
        held.grow(len(part))
        parts.append(part)
    return b"".join(parts)


async def read_json(request: Request, shape: type[T], limit: int | None = None) -> T:
    """Decode a JSON body; unknown keys are ignored.

    Raises:
        HTTPException: 400, it is not of that shape; 413, and as ``read_body``.
    """
    body = await read_body(request, limit)
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise HTTPException(400, "Invalid request body") from None


def is_object_or_null(value: msgspec.Raw) -> bool:
    """Look at the first character of some JSON alone; the rest is read where it is needed."""
    return bytes(memoryview(value)[:1]) in {b"{", b"n"}  # msgspec leaves out the space before a value


def json_answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


def text_answer(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """Answer with a line of text."""
    return PlainTextResponse(f"{text}\n", status, headers)


def path_id(request: Request) -> str:
    """Read the envelope id of a path."""
    return str(request.path_params["id"])
