"""HTTP to one gateway: plain requests, and streams of server-sent events with a time limit."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from asya_cli.exit_codes import BadRequest, CommandError, GatewayAway, NotAllowed, Unknown

REQUEST_LIMIT_S: Final = 30.0
"""The gateway confirms a call's envelope within 10 s or says that it failed."""
SILENCE_LIMIT_S: Final = 45.0
"""A stream says something every 15 s; after three times that it is dead."""
LARGEST_ERROR_CHARS: Final = 500
UNAUTHORISED, FORBIDDEN, MISSING, TOO_MANY, AWAY = 401, 403, 404, 429, 503


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a stream: its id, by which the stream is taken up behind it, its kind and its data."""

    id: str
    kind: str
    data: str


class GatewayHttp:
    """Requests to one gateway; proxies of the environment are not used, as Asya 0.1.1 does not.

    Args:
        url: Where it is; a path before the routes is kept, a slash or ``/mcp`` at the end is not.
        token: Bearer token, or ``None``.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = tidy_url(url)
        parts = urlsplit(self.url)
        headers = {"User-Agent": "asya-cli"}
        if token:
            if not token.isascii() or not token.isprintable() or " " in token:
                raise BadRequest("the gateway's token holds characters that no token has", "look at ASYA_GATEWAY_TOKEN")
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx2.Client(
            base_url=parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
            headers=headers,
            # The system's certificates, where a company puts its own; without TLS there is no need to read them.
            verify=ssl.create_default_context() if parts.scheme == "https" else False,
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),  # a restart of the gateway must not be met later
        )

    def request(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        limit_s: float = REQUEST_LIMIT_S,
    ) -> httpx2.Response:
        """Ask once.

        Raises:
            GatewayAway: It cannot be reached, or has no time for us (429, 503).
            NotAllowed: It wants a token, or one with more scopes.
        """
        try:
            answer = self._client.request(method, path, json=document, headers=headers, timeout=limit_s)
        except (httpx2.HTTPError, OSError) as exc:
            raise self._away(exc) from None
        self._refuse(answer)
        return answer

    def events(self, path: str, after: str, until_s: float | None) -> Iterator[StreamEvent]:
        """Read a stream of events until it ends.

        Args:
            path: Of the stream.
            after: Id of the last event that is known, empty for none.
            until_s: ``time.monotonic`` at which to give up; ``None`` never does.

        Raises:
            TimeoutError: It is ``until_s``.
            GatewayAway: It cannot be reached, fell silent, or has no time for us.
            NotAllowed: As above.
            Unknown: There is no such envelope.
        """
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": after} if after else {})}
        timeout = httpx2.Timeout(_left(until_s, REQUEST_LIMIT_S), read=_left(until_s, SILENCE_LIMIT_S))
        alarm: threading.Timer | None = None
        try:
            with self._client.stream("GET", path, headers=headers, timeout=timeout) as response:
                if response.status_code != 200:
                    response.read()
                    self._refuse(response)
                    if response.status_code == MISSING:
                        raise Unknown(f"{self.url}: {response.text.strip()}")
                    raise failed(response)
                if until_s is not None:
                    # The library's time limit starts anew with every sign of life; this one does not.
                    wire: socket.socket = response.extensions["network_stream"].get_extra_info("socket")
                    alarm = threading.Timer(_left(until_s, REQUEST_LIMIT_S * 1e6), _hang_up, (wire,))
                    alarm.daemon = True
                    alarm.start()
                for event in httpx2.EventSource(response):
                    after = event.id or after
                    if event.data:
                        yield StreamEvent(after, event.event, event.data)
        except (httpx2.HTTPError, OSError) as exc:
            if until_s is not None and time.monotonic() >= until_s:
                raise TimeoutError from None
            raise self._away(exc) from None
        finally:
            if alarm is not None:
                alarm.cancel()

    def _away(self, error: Exception) -> GatewayAway:
        what = str(error) or type(error).__name__
        cure = "does it run? of a mesh on this machine: asya local status"
        return GatewayAway(f"the gateway at {self.url} cannot be reached: {what}", cure)

    def _refuse(self, answer: httpx2.Response) -> None:
        """Raise for what every route can answer."""
        told = answer.text.strip()
        if answer.status_code == UNAUTHORISED:
            cure = "set ASYA_GATEWAY_TOKEN, or name a file with --token-file"
            raise NotAllowed(f"the gateway at {self.url} does not know this token, or wants one", cure)
        if answer.status_code == FORBIDDEN:
            raise NotAllowed(f"the gateway at {self.url} refuses: {told}", "use a token with that scope")
        if answer.status_code in (TOO_MANY, AWAY):
            after = answer.headers.get("retry-after")
            cure = f"again in {after} s" if after else "again in a moment"
            raise GatewayAway(f"the gateway at {self.url} has no time: {told}", cure)


def tidy_url(url: str) -> str:
    """Write a gateway's URL as we compare and extend it.

    Raises:
        BadRequest: It is no http or https URL.
    """
    text = url.strip().rstrip("/").removesuffix("/mcp").rstrip("/")
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname is not None and (parts.port or 80) > 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise BadRequest(f"{url!r} is no URL of a gateway", "write it as http://host:port")
    return text


def read_document(answer: httpx2.Response) -> dict[str, Any]:
    """Read an answer that is a JSON object.

    Raises:
        CommandError: It is none: an error, or whatever answered is no gateway.
    """
    if answer.status_code >= 300:
        raise failed(answer)
    try:
        found = answer.json()
    except ValueError:
        cause = f"what answered is no gateway: {answer.text.strip()[:LARGEST_ERROR_CHARS]}"
        raise CommandError(cause) from None
    if not isinstance(found, dict):
        raise failed(answer)
    return found


def failed(answer: httpx2.Response) -> CommandError:
    """Make the error for an unexpected answer."""
    return CommandError(f"the gateway answered {answer.status_code}: {answer.text.strip()[:LARGEST_ERROR_CHARS]}")


def _left(until_s: float | None, most_s: float) -> float:
    """Seconds to wait now; a socket takes no zero."""
    left_s = most_s if until_s is None else until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return min(left_s, most_s)


def _hang_up(wire: socket.socket) -> None:
    """Wake the thread that reads; the socket may be closed already."""
    try:
        wire.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
