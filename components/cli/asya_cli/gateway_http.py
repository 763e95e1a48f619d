"""HTTP to one gateway: requests that are answered at once, and a stream of server-sent events that ends in time.

The standard library's client, because its socket can be given a new time limit before every read of a stream.
"""

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from asya_cli.exit_codes import BadRequest, CommandError, GatewayAway, NotAllowed, Unknown

REQUEST_LIMIT_S: Final = 30.0
"""The gateway confirms a call's envelope within 10 s or says that it failed."""
SILENCE_LIMIT_S: Final = 45.0
"""A stream says something every 15 s; after three times that it is dead."""
LARGEST_ERROR_CHARS: Final = 500
UNAUTHORISED, FORBIDDEN, MISSING, TOO_MANY, AWAY = 401, 403, 404, 429, 503


@dataclass(frozen=True, slots=True)
class Answer:
    """One response.

    Attributes:
        status: 200 to 599.
        headers: By lower-case name.
        body: As it came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace").strip()

    def json(self) -> Any:  # noqa: ANN401 - somebody else's document
        """Read the body.

        Raises:
            CommandError: It is not JSON: whatever answered is no gateway.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise CommandError(f"what answered is no gateway: {self.text[:LARGEST_ERROR_CHARS]}") from None


class GatewayHttp:
    """Requests to one gateway.

    Args:
        url: Where it is; a path before the routes is kept, a slash or ``/mcp`` at the end is not.
        token: Bearer token, or ``None``.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = tidy_url(url)
        parts = urlsplit(self.url)
        self._path = parts.path
        self._host, self._secure = parts.netloc.rpartition("@")[2], parts.scheme == "https"
        self._headers = {"User-Agent": "asya-cli"}
        if token:
            if not token.isascii() or not token.isprintable() or " " in token:
                raise BadRequest("the gateway's token holds characters that no token has", "look at ASYA_GATEWAY_TOKEN")
            self._headers["Authorization"] = f"Bearer {token}"

    def request(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        limit_s: float = REQUEST_LIMIT_S,
    ) -> Answer:
        """Ask once.

        Raises:
            GatewayAway: It cannot be reached, or has no time for us (429, 503).
            NotAllowed: It wants a token, or one with more scopes.
        """
        body = None if document is None else json.dumps(document).encode()
        sent = {
            **self._headers,
            **({"Content-Type": "application/json"} if body is not None else {}),
            **(headers or {}),
        }
        connection = self._connect(limit_s)
        try:
            connection.request(method, self._path + path, body, sent)
            response = connection.getresponse()
            answer = Answer(response.status, _lower(response), response.read())
        except (OSError, http.client.HTTPException) as exc:
            raise self._away(exc) from None
        finally:
            connection.close()
        self._refuse(answer)
        return answer

    def events(self, path: str, after: int, until_s: float | None) -> Iterator[tuple[int, str]]:
        """Read a stream of events until it ends, number and data of each; an empty text stands for a sign of life.

        Args:
            path: Of the stream.
            after: Number of the last event that is known, 0 for none.
            until_s: ``time.monotonic`` at which to give up; none never does.

        Raises:
            TimeoutError: It is ``until_s``.
            GatewayAway: It cannot be reached, fell silent, or has no time for us.
            NotAllowed: As above.
            Unknown: There is no such envelope.
        """
        connection = self._connect(REQUEST_LIMIT_S if until_s is None else _left(until_s, REQUEST_LIMIT_S))
        headers = {**self._headers, "Accept": "text/event-stream", **({"Last-Event-ID": str(after)} if after else {})}
        try:
            connection.connect()
            socket = connection.sock  # the connection forgets it when the response is to close it
            connection.request("GET", self._path + path, None, headers)
            response = connection.getresponse()
            if response.status != 200:
                answer = Answer(response.status, _lower(response), response.read())
                self._refuse(answer)
                raise Unknown(f"{self.url}: {answer.text}") if answer.status == MISSING else failed(answer)
            number, data = after, ""
            while True:
                socket.settimeout(SILENCE_LIMIT_S if until_s is None else _left(until_s, SILENCE_LIMIT_S))
                line = response.readline()
                if not line:
                    return
                name, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(":")
                value = value.removeprefix(" ")
                if name == "id":
                    number = int(value) if value.isdecimal() else number
                elif name == "data":
                    data += value
                elif not name:
                    yield number, data
                    data = ""
        except (OSError, http.client.HTTPException) as exc:
            if until_s is not None and time.monotonic() >= until_s:
                raise TimeoutError from None
            raise self._away(exc) from None
        finally:
            connection.close()

    def _connect(self, limit_s: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, timeout=limit_s)

    def _away(self, error: Exception) -> GatewayAway:
        what = str(error) or type(error).__name__
        return GatewayAway(f"the gateway at {self.url} cannot be reached: {what}", "is it running? asya local status")

    def _refuse(self, answer: Answer) -> None:
        """Raise for what every route can answer."""
        if answer.status == UNAUTHORISED:
            cure = "set ASYA_GATEWAY_TOKEN, or name a file with --token-file"
            raise NotAllowed(f"the gateway at {self.url} does not know this token, or wants one", cure)
        if answer.status == FORBIDDEN:
            raise NotAllowed(f"the gateway at {self.url} refuses: {answer.text}", "use a token with that scope")
        if answer.status in (TOO_MANY, AWAY):
            after = answer.headers.get("retry-after")
            cure = f"again in {after} s" if after else "again in a moment"
            raise GatewayAway(f"the gateway at {self.url} has no time: {answer.text}", cure)


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


def failed(answer: Answer) -> CommandError:
    """Make the error of an answer that nobody expected."""
    return CommandError(f"the gateway answered {answer.status}: {answer.text[:LARGEST_ERROR_CHARS]}")


def _left(until_s: float, most_s: float) -> float:
    """Seconds to wait now; a socket takes no zero."""
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return min(left_s, most_s)


def _lower(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}
