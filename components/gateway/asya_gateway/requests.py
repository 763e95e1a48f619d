"""Reading requests and writing answers: bodies with a limit, and the shapes of Asya 0.1.1."""

import asyncio
from typing import TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from asya_gateway.services import App

T = TypeVar("T")


def app_of(request: Request) -> App:
    """Return the application that a request was sent to."""
    found: App = request.app.state.app
    return found


async def read_body(request: Request) -> bytes:
    """Read a request's body.

    Raises:
        HTTPException: 413, it is over the limit; 408, it does not arrive in time.
    """
    settings = app_of(request).settings
    try:
        async with asyncio.timeout(settings.request_timeout_s):
            return await _read(request, settings.max_body_bytes)
    except TimeoutError:
        text = f"Request body did not come within {settings.request_timeout_s:g} seconds"
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
    """Decode a JSON body; unknown keys are ignored.

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
