"""Requests and answers of MCP, for its versions with and without sessions. Pure.

Up to 2025-11-25 a session begins with ``initialize``; from 2026-07-28 on there are no sessions, and every request says in
``_meta`` which version it speaks and what its client can do. Facts: modelcontextprotocol.io/specification, both revisions.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

HANDSHAKE_VERSIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
ENVELOPE_VERSION: Final = "2026-07-28"
FALLBACK_VERSION: Final = "2025-06-18"
"""For a client that requests an unknown version, as in Asya 0.1.1."""
WITHOUT_VERSION: Final = "2025-03-26"

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
UNKNOWN_METHOD: Final = -32601
INVALID_PARAMS: Final = -32602
HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022
STATUS: Final[Mapping[int, int]] = {
    PARSE_ERROR: 400, INVALID_REQUEST: 400, INVALID_PARAMS: 400, HEADER_MISMATCH: 400, MISSING_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400, UNKNOWN_METHOD: 404,
}  # fmt: skip
"""HTTP status of an error from 2026-07-28 on; before, an error is an answer with 200."""

_PREFIX: Final = "io.modelcontextprotocol/"
VERSION_KEY: Final = f"{_PREFIX}protocolVersion"
CAPABILITIES_KEY: Final = f"{_PREFIX}clientCapabilities"
SERVER_INFO_KEY: Final = f"{_PREFIX}serverInfo"
SUBSCRIPTION_KEY: Final = f"{_PREFIX}subscriptionId"
TASKS: Final = f"{_PREFIX}tasks"
"""The extension's identifier."""
WAIT_KEY: Final = "asya.sh/wait"
"""In ``_meta`` of tools/call: seconds for which the answer may be held back to tell the result."""
CALL_KEY: Final = "asya.sh/idempotency-key"
"""In ``_meta`` of tools/call: what repetitions of the call have in common."""
CALLBACK_KEY: Final = "asya.sh/callback"
"""In ``_meta`` of tools/call: where the end of the call is told, ``{url, secretRef, events}``."""
ENVELOPE_KEY: Final = "asya.sh/envelope"
"""In ``_meta`` of a progress notification: the envelope's id."""
FACTS_KEY: Final = "asya.sh/report"
"""In ``_meta`` of a progress notification: the actor at work, the length of its call, the attempt that failed."""
PIECES_KEY: Final = "asya.sh/pieces"
"""In ``_meta`` of a progress notification: pieces that a handler streamed, as it made them, in order."""
LOST_KEY: Final = "asya.sh/lost"
"""The same: how many pieces were lost."""
ANEW_KEY: Final = "asya.sh/anew"
"""The same: the actor whose handler was called again, so that pieces of it told before count no more."""
NAMED: Final = {"tools/call": "name", "tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId"}
"""Methods whose parameter is repeated in the header ``Mcp-Name``."""
_BASE64: Final = re.compile(r"=\?base64\?(.*)\?=")


class RpcError(Exception):
    """A request cannot be served."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data

    def body(self, call_id: object) -> dict[str, object]:
        """Shape it as an answer."""
        error: dict[str, object] = {"code": self.code, "message": str(self)}
        return {"jsonrpc": "2.0", "id": call_id, "error": error if self.data is None else {**error, "data": self.data}}


@dataclass(frozen=True, slots=True)
class Question:
    """One request.

    Attributes:
        call_id: Its id.
        method: What is wanted.
        params: With what.
        modern: Whether it is of the era without sessions.
        session: Its session id, empty in that era.
        version: The protocol version that it speaks, as far as it says.
    """

    call_id: object
    method: str
    params: Mapping[str, Any]
    modern: bool
    session: str = ""
    version: str = ""

    @property
    def meta(self) -> Mapping[str, Any]:
        """The ``_meta`` of its parameters."""
        found = self.params.get("_meta")
        return found if isinstance(found, dict) else {}

    @property
    def knows_tasks(self) -> bool:
        """Whether its client declares the tasks extension for this very request."""
        capabilities = self.meta.get(CAPABILITIES_KEY)
        extensions = capabilities.get("extensions") if isinstance(capabilities, dict) else None
        return isinstance(extensions, dict) and TASKS in extensions

    def result(self, result: Mapping[str, object], server: Mapping[str, str]) -> dict[str, object]:
        """Shape the answer."""
        return {"jsonrpc": "2.0", "id": self.call_id, "result": finish(result, server) if self.modern else result}


def finish(result: Mapping[str, object], server: Mapping[str, str]) -> dict[str, object]:
    """Add the metadata that results have in versions without sessions."""
    meta = result.get("_meta")
    return {
        "resultType": "complete",
        **result,
        "_meta": {SERVER_INFO_KEY: server, **(meta if isinstance(meta, dict) else {})},
    }


def is_modern(message: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Return whether a message is of a version without sessions."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return headers.get("mcp-protocol-version") == ENVELOPE_VERSION or (isinstance(meta, dict) and VERSION_KEY in meta)


def check(message: Mapping[str, Any], headers: Mapping[str, str], modern: bool) -> None:
    """Validate a request; without a session its headers and its body must agree.

    Raises:
        RpcError: It is invalid, or of an unsupported version.
    """
    if message.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, "Invalid JSON-RPC version")
    if not modern:
        return
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(params, dict) or not isinstance(meta, dict):
        raise RpcError(INVALID_PARAMS, f"params._meta must hold {VERSION_KEY} and {CAPABILITIES_KEY}")
    for key in (VERSION_KEY, CAPABILITIES_KEY):
        if key not in meta:
            raise RpcError(INVALID_PARAMS, f"params._meta lacks {key}")
    version, method = meta[VERSION_KEY], message.get("method")
    if headers.get("mcp-protocol-version") != version:
        raise RpcError(HEADER_MISMATCH, f"header MCP-Protocol-Version differs from params._meta {VERSION_KEY}")
    if headers.get("mcp-method") != method:
        raise RpcError(HEADER_MISMATCH, "header Mcp-Method differs from the method of the body")
    named = params.get(NAMED.get(str(method), ""))
    if named is not None and _header_text(headers.get("mcp-name")) != named:
        raise RpcError(HEADER_MISMATCH, f"header Mcp-Name differs from params.{NAMED[str(method)]}")
    if version != ENVELOPE_VERSION:
        raise RpcError(
            UNSUPPORTED_VERSION, "Unsupported protocol version", {"supported": [ENVELOPE_VERSION], "requested": version}
        )


def missing_tasks() -> RpcError:
    """The error for a client that does not declare support of tasks."""
    needed: object = {"requiredCapabilities": {"extensions": {TASKS: {}}}}
    return RpcError(MISSING_CAPABILITY, f"Missing required client capability: _meta {CAPABILITIES_KEY}", needed)


def _header_text(value: str | None) -> str | None:
    match = _BASE64.fullmatch(value or "")
    if match is None:
        return value
    try:
        return base64.b64decode(match[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
