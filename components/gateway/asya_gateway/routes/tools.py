"""``POST /tools/call``: a tool call without MCP."""

from datetime import UTC, datetime
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asya_gateway.access.middleware import caller, require, require_some_call
from asya_gateway.calls import KeyReused, UnknownTool
from asya_gateway.records.call_key import InvalidKey, call_key, read_key
from asya_gateway.requests import app_of, is_object_or_null, json_answer, read_json, release_body
from asya_gateway.tracing import read_carrier
from asya_gateway.waiting import InvalidWait, read_wait, wait_final
from asya_manifest.callback import DEFAULT_SECRET, EVENTS, Callback, read_callback
from asya_protocol.not_before import choose

KEY_HEADER: Final = "Idempotency-Key"
"""Of a call: what its repetitions have in common. Facts: draft-ietf-httpapi-idempotency-key-header-07."""
REPEATED_HEADER: Final = "Idempotent-Replayed"
"""Of the answer to a repetition, as Stripe's API has it."""


class CallbackBody(msgspec.Struct):
    """Where the end of a call is told."""

    url: str
    secretRef: str = DEFAULT_SECRET  # noqa: N815 - as callers write it
    """Name of the secret that signs it."""
    events: list[str] = msgspec.field(default_factory=lambda: list(EVENTS))
    """Which ends: `succeeded`, `failed`."""


class ToolCall(msgspec.Struct):
    """Body of a call."""

    name: str | None = None
    arguments: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    """Read once the caller is known to have the tool's scope."""
    wait: float | None = None
    """Seconds for which the answer may be held back to tell the result."""
    delay: float | None = None
    """Seconds from now before which no handler may take the envelope."""
    notBefore: str | None = None  # noqa: N815 - as callers write it
    """The same as a moment with its zone."""
    callback: CallbackBody | None = None
    """Where its end is told, instead of where the tool says."""


async def call_tool(request: Request) -> Response:
    """Start a tool and answer with MCP's CallToolResult."""
    require_some_call(request)
    app = app_of(request)
    body = await read_json(request, ToolCall, app.settings.max_call_bytes)
    if not body.name:
        raise HTTPException(400, "Tool name is required")
    require(request, f"call:{body.name}")
    if not is_object_or_null(body.arguments):
        raise HTTPException(400, "Invalid request body")
    callback = None if body.callback is None else may_call_back(request, msgspec.to_builtins(body.callback))
    try:
        wait_s = read_wait(body.wait, app.settings.max_wait_s)
        owner, given = caller(request).name, request.headers.get(KEY_HEADER)
        key = None if given is None else call_key(owner, read_key(given), body.name, None)
        not_before = read_not_before(body, app.settings.longest_wait_s)
        answer = await app.calls.call(
            body.name, body.arguments, owner, key,
            carrier=read_carrier(request.headers), not_before=not_before, callback=callback,
        )  # fmt: skip
    except (InvalidWait, InvalidMoment) as exc:
        raise HTTPException(400, str(exc)) from None
    except InvalidKey as exc:
        raise HTTPException(400, f"{KEY_HEADER}: {exc}") from None
    except KeyReused as exc:
        raise HTTPException(422, f"{KEY_HEADER}: {exc}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise HTTPException(400, "Invalid request body") from None
    except UnknownTool:
        near = app.calls.near(body.name, caller(request).may)
        raise HTTPException(404, f'Tool "{body.name}" not found{near}') from None
    release_body(request)
    if wait_s and (record := await wait_final(app, answer.envelope_id, wait_s)) is not None:
        answer = answer.ended(record)
    return json_answer(answer.body(), headers={REPEATED_HEADER: "true"} if answer.calls > 1 else None)


def may_call_back(request: Request, given: object) -> Callback:
    """Read the callback of a call; the caller needs a scope for its secret, which signs what others believe.

    Raises:
        HTTPException: 400, it cannot be; 403, the scope is missing.
    """
    try:
        callback = read_callback(given)
    except ValueError as exc:
        raise HTTPException(400, f"callback {exc}") from None
    require(request, f"callback:{callback.secret_ref}")
    return callback


class InvalidMoment(ValueError):
    """A moment before which nothing may be handled that cannot be."""


def read_not_before(body: ToolCall, longest_s: float) -> datetime | None:
    """The moment that a call asks for; ``None`` for at once.

    Raises:
        InvalidMoment: It cannot be.
    """
    given = "delay" if body.delay is not None else "notBefore"
    try:
        return choose(body.delay, body.notBefore, datetime.now(UTC), longest_s)
    except ValueError as exc:
        raise InvalidMoment(f"{given} {exc}") from None
