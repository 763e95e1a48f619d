"""Reads a message of MCP without making objects of a call's arguments: those are read once the caller may call the tool.

A megabyte of tiny values is thirty of objects, so whatever else a message says has to be short.
"""

from typing import Any, Final

import msgspec

from asya_gateway.mcp.wire import INVALID_REQUEST, PARSE_ERROR, RpcError

UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
SMALL_BYTES: Final = 64 * 1024
"""Of everything in a message but the arguments of its call: `_meta`, ids, versions, up to 100 ids of tasks."""
ARGUMENTS: Final = "arguments"


class _Message(msgspec.Struct):
    jsonrpc: msgspec.Raw = msgspec.Raw(b"null")
    id: msgspec.Raw = msgspec.Raw(b"null")
    method: msgspec.Raw = msgspec.Raw(b"null")
    params: msgspec.Raw = msgspec.Raw(b"null")


def read_message(body: bytes) -> dict[str, Any]:
    """Read one message.

    Returns:
        ``jsonrpc``, ``id``, ``method`` and ``params`` as values; ``params.arguments`` as ``msgspec.Raw``, absent where null.

    Raises:
        RpcError: It is no JSON, or no object, or says too much besides its arguments.
    """
    try:
        body.decode()  # msgspec does not look into what it hands on as it is
        message = msgspec.json.decode(body, type=_Message)
        params = _read_params(message.params)
        small = sum(len(bytes(value)) for value in (message.jsonrpc, message.id, message.method))
        if small > SMALL_BYTES:
            raise _too_much()
        read = msgspec.json.decode
        found = {"jsonrpc": read(message.jsonrpc), "id": read(message.id), "method": read(message.method)}
    except msgspec.ValidationError:
        raise RpcError(INVALID_REQUEST, "a request is one JSON object") from None
    except UNREADABLE:
        raise RpcError(PARSE_ERROR, "request body is not valid json") from None
    return {**found, "params": params}


def _read_params(value: msgspec.Raw) -> object:
    if len(bytes(value)) <= SMALL_BYTES and bytes(value)[:1] != b"{":
        return msgspec.json.decode(value)
    try:
        params = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        raise _too_much() from None
    small = sum(len(name) + len(bytes(part)) for name, part in params.items() if name != ARGUMENTS)
    if small > SMALL_BYTES:
        raise _too_much()
    found: dict[str, Any] = {name: msgspec.json.decode(part) for name, part in params.items() if name != ARGUMENTS}
    if (arguments := params.get(ARGUMENTS)) is not None and bytes(arguments) != b"null":
        found[ARGUMENTS] = arguments
    return found


def _too_much() -> RpcError:
    return RpcError(INVALID_REQUEST, f"a request says more than {SMALL_BYTES} bytes besides the arguments of its call")
