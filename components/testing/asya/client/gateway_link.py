"""The way to a gateway: tools are started, envelopes followed. The one module here that knows its HTTP."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import httpx2

from asya.client.errors import EnvelopeFailed, MeshAway, NoSuchTool, NotSent
from asya.client.sent import Event, Sent

REQUEST_LIMIT_S: Final = 30.0
SILENCE_LIMIT_S: Final = 45.0
"""A stream says something every 15 s."""
HELD_S: Final = 20.0
"""So long one request waits for the end; below the usual limit of proxies."""
PAUSE_S: Final = 1.0
"""Before a cut stream is taken up again."""
AWAY_LIMIT_S: Final = 60.0
"""A gateway that restarts is back by then."""
REST_LIMIT_S: Final = 15.0
"""So long the rest of a stream that is over may take; a gateway waits 10 s for what is on its way."""


class GatewayLink:
    """One gateway.

    Args:
        url: Where it is, e.g. ``https://asya.example``.
        token: Bearer token; empty for a gateway that wants none.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/").removesuffix("/mcp").rstrip("/")
        self._http = httpx2.AsyncClient(
            base_url=self.url,
            headers={"User-Agent": "asya-client", **({"Authorization": f"Bearer {token}"} if token else {})},
            verify=ssl.create_default_context() if self.url.startswith("https:") else False,
            trust_env=False,
            timeout=REQUEST_LIMIT_S,
        )

    async def start(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        not_before: datetime | None = None,
        callback: Mapping[str, Any] | None = None,
    ) -> Sent:
        """Start a tool, at once or at a moment; ``callback`` says where its end is told.

        Raises:
            NoSuchTool: There is none of that name.
            NotSent: The arguments do not fit, the moment is too far ahead, or the callback cannot be.
            MeshAway: The gateway cannot be reached, or refuses us.
        """
        call: dict[str, object] = {"name": tool, "arguments": dict(arguments)}
        if not_before is not None:
            call["notBefore"] = not_before.isoformat()
        if callback is not None:
            call["callback"] = dict(callback)
        answer = await self._ask("POST", "/tools/call", call)
        if (not_before is not None or callback is not None) and answer.status_code == httpx2.codes.BAD_REQUEST:
            raise NotSent(answer.text.strip())
        if answer.status_code == httpx2.codes.NOT_FOUND:
            raise NoSuchTool(answer.text.strip())
        document = self._read(answer)
        text = "".join(str(part.get("text", "")) for part in document.get("content", ()))
        if document.get("isError"):
            raise NotSent(text)
        return Sent(str(json.loads(text)["envelope_id"]))

    async def end(self, sent: Sent) -> Any:  # noqa: ANN401 - any JSON value
        """Wait for an envelope's end, and return its result.

        Raises:
            EnvelopeFailed: It failed.
            NotSent: The gateway does not know it.
            MeshAway: The gateway has been away for a minute.
        """
        path, away_s = f"/envelopes/{quote(sent.id, safe='')}?wait={HELD_S:g}", 0.0
        while True:
            try:
                answer = await self._ask("GET", path)
            except MeshAway:
                away_s += PAUSE_S
                if away_s > AWAY_LIMIT_S:
                    raise
                await asyncio.sleep(PAUSE_S)
                continue
            away_s = 0.0
            if answer.status_code == httpx2.codes.NOT_FOUND:
                raise NotSent(f"the gateway at {self.url} knows no envelope {sent.id}")
            record = self._read(answer)
            if record["status"] == "succeeded":
                return record.get("result")
            if record["status"] == "failed":
                failure = record.get("result")
                details = failure.get("details") if isinstance(failure, dict) else None
                raise EnvelopeFailed(sent.id, str(record.get("error")), details if isinstance(details, dict) else {})

    def events(self, sent: Sent) -> AsyncIterator[Event]:
        """Yield what happened and happens to an envelope, up to its end, and what its handlers stream.

        Raises:
            MeshAway: The gateway has been away for a minute.
        """
        return self._follow(f"/envelopes/{quote(sent.id, safe='')}/stream?pieces=true")

    def pieces(self, sent: Sent) -> "Pieces":
        """What the handlers of an envelope that was sent past this gateway stream."""
        return Pieces(self, f"/envelopes/{quote(sent.id, safe='')}/pieces")

    async def _follow(self, path: str) -> AsyncIterator[Event]:
        """Follow a stream to a final event; one that is cut is taken up where it was."""
        after, away_s = "", 0.0
        while True:
            try:
                async for place, event in self.once(path, after):
                    after, away_s = place, 0.0
                    yield event
                    if event.final:
                        return
            except (httpx2.HTTPError, OSError) as exc:
                if away_s > AWAY_LIMIT_S:
                    raise self._away(exc) from None
            away_s += PAUSE_S
            await asyncio.sleep(PAUSE_S)

    async def once(self, path: str, after: str) -> AsyncIterator[tuple[str, Event]]:
        """Read a stream behind a place until the gateway ends it: each event's place, and the event.

        Raises:
            MeshAway: The gateway refuses us.
            httpx2.HTTPError: The stream was cut.
        """
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": after} if after else {})}
        timeout = httpx2.Timeout(REQUEST_LIMIT_S, read=SILENCE_LIMIT_S)
        async with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
            if response.status_code != httpx2.codes.OK:
                await response.aread()
                self._read(response)
            async for event in httpx2.EventSource(response, max_event_size=None):
                if event.data:
                    yield event.id, _event(json.loads(event.data), event.event)

    async def close(self) -> None:
        """Close what is open."""
        await self._http.aclose()

    async def _ask(self, method: str, path: str, document: object = None) -> httpx2.Response:
        try:
            return await self._http.request(method, path, json=document)
        except (httpx2.HTTPError, OSError) as exc:
            raise self._away(exc) from None

    def _read(self, answer: httpx2.Response) -> dict[str, Any]:
        if answer.status_code != httpx2.codes.OK:
            raise MeshAway(f"the gateway at {self.url} answered {answer.status_code}: {answer.text.strip()[:500]}")
        found: dict[str, Any] = answer.json()
        return found

    def _away(self, error: Exception) -> MeshAway:
        return MeshAway(f"the gateway at {self.url} cannot be reached: {error or type(error).__name__}")


class Pieces:
    """A stream whose end the gateway does not know."""

    def __init__(self, link: GatewayLink, path: str) -> None:
        self._link = link
        self._path = path
        self._after = ""

    async def follow(self) -> AsyncIterator[Event]:
        """Yield what comes, for ever; a stream that is cut is taken up where it was.

        Raises:
            MeshAway: The gateway refuses us.
        """
        while True:
            with suppress(httpx2.HTTPError, OSError):
                async for place, event in self._link.once(self._path, self._after):
                    self._after = place
                    yield event
            await asyncio.sleep(PAUSE_S)

    async def rest(self) -> AsyncIterator[Event]:
        """Yield what has not been yielded yet of a stream that is over; nothing where the gateway is away.

        Raises:
            MeshAway: The gateway refuses us.
        """
        with suppress(httpx2.HTTPError, OSError, TimeoutError):
            async with asyncio.timeout(REST_LIMIT_S):
                async for _, event in self._link.once(f"{self._path}?rest=true", self._after):
                    yield event


def _event(document: Any, kind: str) -> Event:  # noqa: ANN401 - any JSON value
    if kind == "partial":
        return Event("running", kind=kind, piece=document)
    if kind == "anew":
        return Event("running", actor=str(document.get("actor") or ""), kind=kind)
    if kind == "gap":
        return Event("running", kind=kind, lost=int(document.get("lost") or 0))
    return Event(
        status=str(document.get("status")),
        message=str(document.get("message") or ""),
        actor=str(document.get("actor") or ""),
        percent=float(document.get("progress_percent") or 0.0),
        result=document.get("result"),
        error=str(document.get("error") or ""),
    )
