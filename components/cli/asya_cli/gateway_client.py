"""The client of a gateway: its tools, calls, an envelope's state and events, cancels."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from asya_cli.exit_codes import BadRequest, CommandError, GatewayAway, NotAllowed, NotFound, Unknown
from asya_cli.gateway_http import MISSING, GatewayHttp, StreamEvent, failed, read_document
from asya_cli.streamed import KINDS, Show, read_piece
from asya_process.backoff import pauses
from asya_protocol import names
from asya_protocol.nearest import nearest
from asya_protocol.status import Status

if TYPE_CHECKING:
    import httpx2

PROTOCOL: Final = "2024-11-05"
CLIENT: Final = {"name": "asya-cli", "version": "1.0.0"}
HISTORY_PATIENCE_S: Final = (0.5, 10.0)
"""How long to read what is there already, and again when that was nothing."""
AWAY_LIMIT_S: Final = 60.0
"""How long a stream is tried again while the gateway is away: longer than its restart."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
INVALID, CONFLICT, REUSED = 400, 409, 422


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        name: Its name.
        description: In words; may be empty.
        schema: JSON schema of its arguments: ``{"properties": {...}, "required": [...]}``.
    """

    name: str
    description: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> Mapping[str, Mapping[str, Any]]:
        """Schema of every parameter, in the tool's order."""
        found = self.schema.get("properties")
        return found if isinstance(found, dict) else {}

    @property
    def required(self) -> frozenset[str]:
        """Parameters that a call must name."""
        return frozenset(self.schema.get("required") or ())


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an envelope: the gateway's document, and its number."""

    number: int
    document: Mapping[str, Any]

    @property
    def end(self) -> "End | None":
        """How the envelope ended, when this is its end."""
        return read_end(self.document)


@dataclass(frozen=True, slots=True)
class End:
    """How an envelope ended.

    Attributes:
        id: The envelope.
        status: ``succeeded``, ``failed`` or ``cancelled``.
        result: What came out.
        error: Why it failed.
        message: In words.
    """

    id: str
    status: str
    result: Any = None
    error: str = ""
    message: str = ""

    def as_json(self) -> dict[str, object]:
        """Shape it for ``--json``."""
        document: dict[str, object] = {"id": self.id, "status": self.status, "result": self.result}
        return document if self.status == Status.SUCCEEDED else {**document, "error": self.error}


def read_end(document: Mapping[str, Any]) -> End | None:
    """Read the end out of an envelope's state or event; ``None`` while it goes on."""
    status = str(document.get("status"))
    if status not in (Status.SUCCEEDED, Status.FAILED):
        return None
    error = str(document.get("error") or "")
    if status == Status.FAILED and error == names.CANCELLED:
        status = "cancelled"
    message = str(document.get("message") or "")
    return End(str(document.get("id", "")), status, document.get("result"), error, message)


class Gateway:
    """One gateway."""

    def __init__(self, http: GatewayHttp) -> None:
        self._http = http

    @property
    def url(self) -> str:
        """Where it is."""
        return self._http.url

    def broken_tools(self) -> str:
        """What it says of its tool files where they are broken and the last good ones serve; else empty."""
        try:
            told = self._http.request("GET", "/ready").text.strip()
        except GatewayAway:
            return ""  # what is asked of it next says so
        return told.partition(", but ")[2] if told.startswith("OK, but ") else ""

    def tools(self) -> list[Tool]:
        """List the tools that this caller may see, by MCP."""
        session = _Session(self._http)
        found: list[Tool] = []
        cursor: str | None = None
        while True:
            page = session.ask("tools/list", {"cursor": cursor} if cursor else {})
            for entry in page.get("tools", ()):
                found.append(Tool(entry["name"], entry.get("description") or "", entry.get("inputSchema") or {}))
            cursor = page.get("nextCursor")
            if not cursor:
                return found

    def tool(self, name: str) -> Tool:
        """Find one tool.

        Raises:
            Unknown: There is none of that name.
        """
        known = self.tools()
        for tool in known:
            if tool.name == name:
                return tool
        others = ", ".join(sorted(tool.name for tool in known)) or "none at all"
        near = nearest(name, [tool.name for tool in known])
        raise Unknown(f"the gateway at {self.url} has no tool {name!r}, only {others}{near}", "asya tools")

    def call_raw(
        self, name: str, arguments: Mapping[str, object], key: str = "", callback: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        """Start a tool; the answer is MCP's CallToolResult. With a key a call that is cut is made again, and runs once.

        Raises:
            Unknown: There is no such tool.
            BadRequest: The key is none, or was given with other arguments before; or the callback cannot be.
            GatewayAway: It cannot be reached; with a key: for a minute.
        """
        body: dict[str, object] = {"name": name, "arguments": dict(arguments)}
        if callback is not None:
            body["callback"] = callback
        answer = self._call_again(body, key) if key else self._post_call(body)
        if answer.status_code == MISSING:
            raise Unknown(answer.text.strip(), "asya tools")
        if callback is not None and answer.status_code == INVALID and answer.text.startswith("callback"):
            raise BadRequest(answer.text.strip())
        if key and answer.status_code in (INVALID, REUSED):
            raise BadRequest(answer.text.strip(), "choose another --key")
        document = read_document(answer)
        if not isinstance(document.get("content"), list):
            raise failed(answer)
        return document

    def _post_call(self, body: Mapping[str, object], key: str = "") -> "httpx2.Response":
        headers = {"Idempotency-Key": key} if key else None
        return self._http.request("POST", "/tools/call", body, headers=headers)

    def _call_again(self, body: Mapping[str, object], key: str) -> "httpx2.Response":
        until_s = time.monotonic() + AWAY_LIMIT_S
        for pause_s in pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S):
            try:
                return self._post_call(body, key)
            except GatewayAway:
                if time.monotonic() + pause_s > until_s:
                    raise
            time.sleep(pause_s)
        raise AssertionError("pauses never end")

    def call(
        self, name: str, arguments: Mapping[str, object], key: str = "", callback: Mapping[str, object] | None = None
    ) -> str:
        """Start a tool; the envelope's id. ``key`` as in ``call_raw``; ``callback``: where its end is told.

        Raises:
            Unknown: There is no such tool.
            BadRequest: The arguments do not fit.
        """
        document = self.call_raw(name, arguments, key, callback)
        text = text_of(document)
        if document.get("isError"):
            if text.startswith(("missing required parameter", "invalid parameter")):
                raise BadRequest(text, f"asya tools {name}")
            raise NotFound(text, self.list_command()) if "which does not exist" in text else CommandError(text)
        envelope_id = id_of(document)
        if envelope_id is None:
            raise CommandError(f"the gateway named no envelope: {text}")
        return envelope_id

    def list_command(self) -> str:
        """The command that lists the actors, where they run."""
        ways = {"mesh": "asya local status", "kubernetes": "kubectl get asya -A"}
        found = self.actors()
        return ways.get(found[0] if found else "") or ", or ".join(ways.values())

    def envelope(self, envelope_id: str) -> dict[str, Any]:
        """Read an envelope's state.

        Raises:
            Unknown: The gateway does not know it.
        """
        return read_document(self._known(envelope_id, self._http.request("GET", _path(envelope_id))))

    def cancel(self, envelope_id: str) -> bool:
        """Cancel an envelope; whether that ended it, or it had ended before.

        Raises:
            Unknown: The gateway does not know it.
        """
        answer = self._known(envelope_id, self._http.request("POST", f"{_path(envelope_id)}/cancel"))
        if answer.status_code == CONFLICT:
            return False
        read_document(answer)
        return True

    def replay(self, envelope_id: str, begin: str, *, dry_run: bool = False) -> dict[str, Any] | None:
        """Send a failed envelope again; what became of it, or ``None`` where it has not failed, or not any more.

        Raises:
            Unknown: The gateway does not know it.
        """
        body = {"from": begin, "dry_run": dry_run}
        answer = self._http.request("POST", f"/api/v1{_path(envelope_id)}/replay", body)
        answer = self._known(envelope_id, answer)
        return None if answer.status_code == CONFLICT else read_document(answer)

    def callbacks(self, *, waiting: bool = False) -> dict[str, Any]:
        """List callbacks that are dead letters, or wait; with the number of both."""
        return read_document(self._http.request("GET", f"/api/v1/callbacks?state={'waiting' if waiting else 'dead'}"))

    def redrive_callbacks(self, callback_id: str | None) -> int:
        """Let dead callbacks begin anew, one or all; how many there were.

        Raises:
            Unknown: It is no dead letter.
        """
        body = {"all": True} if callback_id is None else {"id": callback_id}
        answer = self._http.request("POST", "/api/v1/callbacks/redrive", body)
        if answer.status_code == MISSING:
            raise Unknown(f"{callback_id} is no callback that is a dead letter", "asya callbacks ls")
        return int(read_document(answer)["redriven"])

    def failed(self) -> Iterator[dict[str, Any]]:
        """Yield summaries of the envelopes that have failed, newest first."""
        cursor = ""
        while True:
            page = read_document(self._http.request("GET", f"/api/v1/envelopes?status=failed&limit=500{cursor}"))
            yield from page.get("envelopes", ())
            if not page.get("next"):
                return
            cursor = f"&cursor={quote(page['next'], safe='')}"

    def follow(
        self, envelope_id: str, limit_s: float | None = None, after: int = 0, show: Show | None = None
    ) -> Iterator[Event]:
        """Yield what happened and happens to an envelope, up to its end; a cut stream is taken up where it was.

        Args:
            envelope_id: Whose.
            limit_s: How long; ``None`` for ever.
            after: Number of the last event that is known.
            show: Told what its handlers stream meanwhile.

        Raises:
            Unknown: The gateway does not know it.
            TimeoutError: The end did not come in time.
            GatewayAway: The gateway has been away for a minute.
        """
        until_s = None if limit_s is None else time.monotonic() + limit_s
        away_since_s: float | None = None
        growing = pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        path, last = f"{_path(envelope_id)}/stream{'?pieces=true' if show else ''}", str(after) if after else ""
        while True:
            try:
                for told in self._http.events(path, last, until_s):
                    growing, away_since_s, last = pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S), None, told.id
                    if told.kind in KINDS:
                        if show is not None:
                            show(told.kind, read_piece(told.data))
                        continue
                    event = _event(told)
                    yield event
                    if event.end is not None:
                        return
                away_since_s = None
            except Unknown:
                raise unknown_envelope(self.url, envelope_id) from None
            except GatewayAway:
                away_since_s = away_since_s or time.monotonic()
                if time.monotonic() - away_since_s > AWAY_LIMIT_S:
                    raise
            pause_s = next(growing)
            if until_s is not None and time.monotonic() + pause_s >= until_s:
                time.sleep(max(until_s - time.monotonic(), 0.0))
                raise TimeoutError
            time.sleep(pause_s)

    def pieces(self, envelope_id: str, after: str = "", rest_s: float | None = None) -> Iterator[tuple[str, str, Any]]:
        """Yield what the handlers of an envelope stream that the gateway does not know: the place, the kind, and its JSON.

        Args:
            envelope_id: Whose.
            after: The last place that is known.
            rest_s: Only what is on its way by now, for so long at most; ``None`` is for ever.

        Raises:
            GatewayAway: The stream was cut.
            NotAllowed: The token has not the scope ``read``.
            TimeoutError: ``rest_s`` are over.
        """
        path = f"{_path(envelope_id)}/pieces{'' if rest_s is None else '?rest=true'}"
        for told in self._http.events(path, after, None if rest_s is None else time.monotonic() + rest_s):
            yield told.id, told.kind, read_piece(told.data)

    def history(self, envelope_id: str) -> list[Event]:
        """Read what has happened to an envelope until now: there is always something, also where the gateway is slow.

        Raises:
            Unknown: The gateway does not know it.
        """
        events: list[Event] = []
        for patience_s in HISTORY_PATIENCE_S:
            with suppress(TimeoutError):  # it goes on: the stream stays open
                for told in self._http.events(f"{_path(envelope_id)}/stream", "", time.monotonic() + patience_s):
                    events.append(_event(told))
            if events:
                break
        return events

    def actors(self) -> tuple[str, dict[str, Mapping[str, Any]]] | None:
        """Read what runs the actors (``mesh``, ``kubernetes`` or ``queues``), and how they stand, by name.

        ``None`` where this gateway cannot say or may not.
        """
        try:
            answer = self._http.request("GET", "/api/v1/actors")
        except NotAllowed:
            return None
        if answer.status_code != 200:
            return None
        document = read_document(answer)
        found = document.get("actors")
        if not isinstance(found, list):
            return None
        return str(document.get("source") or ""), {str(entry["name"]): entry for entry in found}

    def _known(self, envelope_id: str, answer: "httpx2.Response") -> "httpx2.Response":
        if answer.status_code == MISSING:
            raise unknown_envelope(self.url, envelope_id)
        return answer


def unknown_envelope(url: str, envelope_id: str) -> Unknown:
    """Make the error for an id that a gateway does not know."""
    cause = f"the gateway at {url} knows no envelope {envelope_id}"
    return Unknown(cause, f"what was sent past it has no record there: asya result {envelope_id}")


def text_of(document: Mapping[str, Any]) -> str:
    """Read the text of a CallToolResult."""
    contents: Sequence[Any] = document.get("content") or ()
    return "".join(str(part.get("text", "")) for part in contents if isinstance(part, dict))


def id_of(document: Mapping[str, Any]) -> str | None:
    """Read the envelope's id out of a CallToolResult; ``None`` when it names none."""
    try:
        told = json.loads(text_of(document))
    except ValueError:
        return None
    found = told.get("envelope_id") if isinstance(told, dict) else None
    return found if isinstance(found, str) else None


class _Session:
    """An MCP session over HTTP, as far as listing needs one."""

    def __init__(self, http: GatewayHttp) -> None:
        self._http = http
        self._headers = {"Accept": "application/json, text/event-stream"}
        self._asked = 0
        hello = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": CLIENT}
        self.ask("initialize", hello)
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        self._http.request("POST", "/mcp", note, headers=self._headers)

    def ask(self, method: str, params: Mapping[str, object]) -> dict[str, Any]:
        """Ask and read the result."""
        self._asked += 1
        question = {"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params}
        answer = self._http.request("POST", "/mcp", question, headers=self._headers)
        if "mcp-session-id" in answer.headers:
            self._headers["Mcp-Session-Id"] = answer.headers["mcp-session-id"]
        if answer.status_code != 200:
            raise failed(answer)
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            document = _parse(
                "".join(line[5:].strip() for line in answer.text.splitlines() if line.startswith("data:"))
            )
        else:
            document = read_document(answer)
        if "error" in document:
            raise CommandError(f"the gateway refused {method}: {document['error'].get('message')}")
        result = document.get("result")
        return result if isinstance(result, dict) else {}


def _event(told: StreamEvent) -> Event:
    number = told.id.partition("-")[0]
    return Event(int(number) if number.isdecimal() else 0, _parse(told.data))


def _path(envelope_id: str) -> str:
    return f"/envelopes/{quote(envelope_id, safe='')}"


def _parse(data: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CommandError(f"the gateway's stream holds what is no event: {data[:200]}")
    return found
