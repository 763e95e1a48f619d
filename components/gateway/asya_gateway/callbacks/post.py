"""One post to one address: resolved once, judged, and connected to as it was judged.

A client that is handed a name would resolve it again, and could be led elsewhere by then (DNS rebinding). No proxy, no
redirect, no cookies, no connection that is used twice; of the answer the head is read, of bounded size, and nothing else.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import h11

from asya_gateway.callbacks.rule import Allowed, Attempt, choose_address
from asya_manifest.callback import split_url

HEAD_BYTES: Final = 16 * 1024
AGENT: Final = "asya-gateway"
REFUSED: Final = "its address is not public, and ASYA_GATEWAY_CALLBACK_ALLOW does not have it"
Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """Resolve a name to addresses, in the order of the system's.

    Raises:
        OSError: It has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Poster:
    """Posts to addresses that are let in.

    Args:
        allowed: Those that are beside the public ones.
        timeout_s: For all of a post up to the head of its answer.
        resolve: How names become addresses.
    """

    def __init__(self, allowed: Allowed, timeout_s: float, resolve: Resolve = resolve) -> None:
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._resolve = resolve
        self._tls = ssl.create_default_context()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Post JSON; what came of it. Never raises for what a receiver or the network does."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(url, headers, body)
        except TimeoutError:
            return Attempt(problem=f"no answer within {self._timeout_s:g}s")
        except (OSError, UnicodeError, h11.ProtocolError) as exc:  # UnicodeError: a name that DNS cannot have
            return Attempt(problem=str(exc) or type(exc).__name__)

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        parts = split_url(url)
        host, tls = parts.hostname or "", self._tls if parts.scheme == "https" else None
        port = parts.port or (443 if tls else 80)
        address = choose_address(await self._resolve(host, port), host, self._allowed)
        if address is None:
            return Attempt(problem=REFUSED, hopeless=True)
        reader, writer = await asyncio.open_connection(address, port, ssl=tls, server_hostname=host if tls else None)
        try:
            talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            writer.write(_request(talk, parts.netloc, target, headers, body))
            await writer.drain()
            return await _answer(talk, reader)
        finally:
            writer.transport.abort()  # nothing more is read, and nobody is waited for


def _request(talk: h11.Connection, host: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    all_headers = {
        "Host": host,
        "User-Agent": AGENT,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    parts = [
        talk.send(h11.Request(method="POST", target=target, headers=list(all_headers.items()))),
        talk.send(h11.Data(data=body)),
        talk.send(h11.EndOfMessage()),
    ]
    return b"".join(part for part in parts if part is not None)


async def _answer(talk: h11.Connection, reader: asyncio.StreamReader) -> Attempt:
    while True:
        event = talk.next_event()
        if event is h11.NEED_DATA:
            talk.receive_data(await reader.read(HEAD_BYTES))
        elif isinstance(event, h11.Response):
            after = next((value for name, value in event.headers if name == b"retry-after"), b"")
            return Attempt(event.status_code, after.decode("latin-1"))
        elif not isinstance(event, h11.InformationalResponse):
            return Attempt(problem="the connection was closed without an answer")
