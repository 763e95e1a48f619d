"""A tool call, from arguments to an envelope on its first queue.

The answer is sent after the broker has confirmed the envelope, so that a crash of this process loses no envelope that a caller
knows of. A send that fails ends the envelope as failed; the answer still names it.
"""

import asyncio
import logging
import secrets
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from asya_gateway.actors.roster import Roster
from asya_gateway.callbacks.settings import CallbackSettings
from asya_gateway.metrics import Metrics
from asya_gateway.records.call_key import CallKey
from asya_gateway.records.lifecycle import Ended, Sending, cancelled, send_failed
from asya_gateway.records.mark import marked
from asya_gateway.records.record import Record
from asya_gateway.records.summary import failure_details
from asya_gateway.store.port import EnvelopeStore, Outcome
from asya_gateway.tools.arguments import InvalidArguments, output_problem
from asya_gateway.tools.payload import Payloads
from asya_gateway.tools.toolbox import Toolbox
from asya_gateway.tracing import CallTracing, CallTrail
from asya_manifest.callback import Callback
from asya_manifest.tools import Tool
from asya_protocol import names
from asya_protocol.envelope import Envelope, Route
from asya_protocol.errors import QueueMissing, StoreUnavailable, TransportError
from asya_protocol.failure import failure_words
from asya_protocol.nearest import nearest
from asya_protocol.not_before import header_of, left_s, read_not_before
from asya_protocol.status import Status
from asya_protocol.trace import trace_id_of
from asya_store.cancel_list import CancelList
from asya_transport.port import Transport

log: Final = logging.getLogger(__name__)

SEND_TIMEOUT_S: Final = 10.0
SENDING_S: Final = SEND_TIMEOUT_S + 2.0
"""After so long a call that has not said that its envelope is sent has died, and a repetition sends it."""
LOOK_AGAIN_S: Final = 0.1
UNTOUCHED: Final = 2
"""Events of an envelope of which no sidecar has told anything."""
PING_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a tool call: one text, and whether it is an error."""

    text: str
    is_error: bool = False
    told: Mapping[str, object] = field(default_factory=dict)
    """The same as fields, of an envelope that was created."""
    key: CallKey | None = None
    """What repetitions of the call are known by."""
    calls: int = 1
    """How often it was called until now; over 1 the envelope is an earlier call's."""

    promised: Tool | None = None
    """The tool, where the answer has to have the form of its ``outputSchema``."""
    structured: bytes | None = None
    """The result in that form."""

    @property
    def envelope_id(self) -> str:
        """The envelope that was created; empty for none."""
        return str(self.told.get("envelope_id", ""))

    def ended(self, record: Record) -> "Answer":
        """Add the envelope's state; the answer becomes an error where it has failed."""
        told: dict[str, object] = {**self.told, "status": record.status.value}
        if record.result is not None:
            told["result"] = msgspec.Raw(record.result)
        if record.error is not None:
            told["error"] = record.error
        if record.status is Status.FAILED and (details := failure_details(record)):
            told["reason"] = failure_words(None, details)
        answer = replace(self, text=_text(told), is_error=record.status is Status.FAILED, told=told)
        if self.promised is None or answer.is_error:
            return answer
        if not record.status.final:  # what has no result yet cannot have its form, and clients refuse any other
            return replace(answer, is_error=True)
        if problem := output_problem(self.promised, msgspec.json.decode(record.result or b"null")):
            return replace(answer, text=f"the result does not fit the tool's outputSchema: {problem}", is_error=True)
        return replace(answer, structured=record.result)

    def body(self) -> dict[str, object]:
        """Shape it as MCP's CallToolResult."""
        content: dict[str, object] = {"content": [{"type": "text", "text": self.text}]}
        if self.structured is not None:
            content["structuredContent"] = msgspec.Raw(self.structured)
        return {**content, "isError": True} if self.is_error else content


class UnknownTool(Exception):
    """There is no tool of that name."""


class KeyReused(Exception):
    """The key stands for a call with other arguments."""

    def __init__(self) -> None:
        super().__init__("this key was given with another tool or other arguments before; give every call its own")


class Calls:
    """Makes and cancels envelopes.

    Args:
        toolbox: The tools that can be called now.
        store: Where envelopes are kept.
        transport: Connected.
        queue_names: Of the mesh.
        roster: The actors that exist; ``None`` takes every route as it is.
        cancels: The mesh's list of cancels; ``None`` where it has no object store.
        metrics: Where calls are counted.
        most_values: Values that the arguments of one call may have.
        tracing: Traces calls; ``None`` passes on the traces that come.
        callbacks: What callbacks can be made.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        store: EnvelopeStore,
        transport: Transport,
        queue_names: names.QueueNames,
        *,
        roster: Roster | None = None,
        cancels: CancelList | None = None,
        metrics: Metrics | None = None,
        most_values: int = 100_000,
        tracing: CallTracing | None = None,
        callbacks: CallbackSettings | None = None,
    ) -> None:
        self.toolbox = toolbox
        self._payloads = Payloads(most_values)
        self._tracing = tracing or CallTracing()
        self._callbacks = callbacks or CallbackSettings()
        self._metrics = metrics or Metrics()
        self._errands: set[asyncio.Task[None]] = set()
        self._graces: set[asyncio.Task[None]] = set()
        self._store = store
        self._transport = transport
        self._queue_names = queue_names
        self._roster = roster
        self._cancels = cancels

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Tools by name, as they are now."""
        return self.toolbox.tools

    def actors(self) -> set[str]:
        """Name the actors of all routes."""
        return {actor for tool in self.tools.values() for actor in tool.route}

    def near(self, name: str, may: Callable[[str], bool]) -> str:
        """Name the tool that a caller may have meant, as the end of a sentence; only of those that its scopes let it call."""
        return nearest(name, [known for known in self.tools if may(f"call:{known}")])

    async def call(
        self,
        name: str,
        arguments: msgspec.Raw | Mapping[str, object] | None,
        owner: str = "",
        key: CallKey | None = None,
        *,
        carrier: Mapping[str, object] = MappingProxyType({}),
        not_before: datetime | None = None,
        callback: Callback | None = None,
    ) -> Answer:
        """Start a tool for an owner, or find the envelope of an earlier call with the same key.

        Args:
            name: The tool's.
            arguments: As they came, or as values.
            owner: Who calls.
            key: What its repetitions have in common; the digest of arguments that come as JSON is put in here.
            carrier: The trace that came with the call.
            not_before: No handler may take the envelope before; the tool's time runs from then on.
            callback: Where its end is told, instead of where the tool says.

        Raises:
            UnknownTool: There is none of that name.
            KeyReused: An earlier call with this key had other arguments.
            msgspec.DecodeError: The arguments are no JSON.
        """
        tool = self.tools.get(name)
        if tool is None:
            self._metrics.calls.labels("", "unknown_tool").inc()
            raise UnknownTool(name)
        try:
            payload, digest = await self._payloads.make(tool, arguments, digest=key is not None)
        except InvalidArguments as exc:
            self._metrics.calls.labels(name, "invalid").inc()
            return Answer(str(exc), is_error=True)
        if self._roster is not None and (wrong := await self._roster.problem(tool.route)) is not None:
            self._metrics.calls.labels(name, "wrong_route").inc()
            return Answer(f"tool {name} cannot run: {wrong}", is_error=True)
        callback = callback or tool.callback
        if callback is not None and (wrong := self._callbacks.problem(callback)) is not None:
            self._metrics.calls.labels(name, "invalid").inc()
            return Answer(f"tool {name} cannot run: {wrong}", is_error=True)
        key = None if key is None else replace(key, arguments=digest)
        envelope_id = str(uuid.uuid4())
        trail = self._tracing.begin(carrier)
        now = datetime.now(UTC)
        begins = now if not_before is None else max(now, not_before)
        deadline = _whole_second(begins + timedelta(seconds=tool.timeout_s)) if tool.timeout_s else None
        metadata = msgspec.json.encode({"job_id": envelope_id})
        record = Record(
            id=envelope_id,
            actors=tool.route,
            created_at=now,
            updated_at=now,
            metadata=metadata,
            headers=marked({**trail.headers, **header_of(not_before)}, secrets.token_urlsafe(24)),
            payload=payload,
            timeout_s=tool.timeout_s or None,
            deadline=deadline,
            current_actor_name=tool.route[0],
            owner=owner or None,
            callback=callback,
        )
        try:
            made = Answer("", key=key) if key is None else await self._claim(record, key)
            if made.key is None:
                await self._store.create(record, Sending())
        except StoreUnavailable as exc:
            self._metrics.calls.labels(name, "store_away").inc()
            # Not to callers: the text has hosts, ports and users.
            log.warning("envelope not created", extra={"tool": name, "envelope_id": envelope_id, "error": str(exc)})
            return Answer("failed to create envelope: the envelope store is away, try again", is_error=True)
        if made.calls > 1:
            self._metrics.calls.labels(name, "repeated").inc()
        else:
            problem = await self._send(record, trail)
            sent = problem is None
            await self._sent(made.key, envelope_id)
            self._tracing.finish(trail, name, envelope_id, problem)
            self._metrics.calls.labels(name, "sent" if sent else "not_sent").inc()
        told = _told(tool, made.envelope_id or envelope_id)
        return replace(made, text=_text(told), told=told)

    async def _claim(self, record: Record, key: CallKey) -> Answer:
        """Create the record, or see that the envelope of the first call with this key is sent."""
        claim = await self._store.create_once(record, Sending(), key, SENDING_S)
        if claim.arguments != key.arguments:
            if key.strict:
                raise KeyReused
            return Answer("")
        number = claim.calls
        while number > 1 and claim.sending_until is not None:
            if await self._store.take_over(key, SENDING_S):
                first = await self._store.get(claim.envelope_id)
                if first is not None and not first.status.final and first.events <= UNTOUCHED:
                    await self._send(first)
                await self._sent(key, claim.envelope_id)
                break
            await asyncio.sleep(LOOK_AGAIN_S)
            claim = await self._store.claim(key) or replace(claim, sending_until=None)
        return Answer("", told={"envelope_id": claim.envelope_id}, key=key, calls=number)

    async def _sent(self, key: CallKey | None, envelope_id: str) -> None:
        try:
            if key is not None:
                await self._store.claim_sent(key)
        except StoreUnavailable as exc:  # a repetition sends it once more, if no sidecar has told of it until then
            log.warning("call not noted as sent", extra={"envelope_id": envelope_id, "error": str(exc)})

    async def cancel(self, envelope_id: str) -> tuple[Outcome, bool]:
        """End an envelope as cancelled; the second value is whether its actors are notified."""
        record = await self._store.get(envelope_id)
        told = False
        if self._cancels is not None and record is not None and not record.status.final:
            await asyncio.to_thread(self._cancels.add, envelope_id, time.time())
            told = True
        return await self._store.report(envelope_id, cancelled()), told

    async def ping(self) -> None:
        """Check that the broker answers.

        Raises:
            TransportError: It does not.
            TimeoutError: Not in time.
        """
        async with asyncio.timeout(PING_TIMEOUT_S):
            await self._transport.ping()

    def cancel_soon(self, envelope_id: str) -> None:
        """Cancel in the background, for a caller that has disconnected."""
        _run_beside(self._cancel_quietly(envelope_id), self._errands)

    def cancel_unless_repeated(self, answer: Answer, grace_s: float) -> None:
        """Cancel a call whose caller has disconnected; where it has a key, only if nobody repeats it in time."""
        if answer.key is None:
            self.cancel_soon(answer.envelope_id)
        else:
            _run_beside(self._cancel_later(answer, answer.key, grace_s), self._graces)

    async def finish(self) -> None:
        """Wait for cancels that run in the background; those that still wait for a repetition are dropped."""
        for task in self._graces:
            task.cancel()
        await asyncio.gather(*self._errands, *self._graces, return_exceptions=True)
        self._payloads.close()

    async def _cancel_later(self, answer: Answer, key: CallKey, grace_s: float) -> None:
        await asyncio.sleep(grace_s)
        try:
            claim = await self._store.claim(key)
        except StoreUnavailable as exc:
            log.warning("envelope not cancelled", extra={"envelope_id": answer.envelope_id, "error": str(exc)})
            return
        if claim is None or claim.calls == answer.calls or claim.envelope_id != answer.envelope_id:
            await self._cancel_quietly(answer.envelope_id)

    async def _cancel_quietly(self, envelope_id: str) -> None:
        try:
            await self.cancel(envelope_id)
        except StoreUnavailable as exc:
            log.warning("envelope not cancelled", extra={"envelope_id": envelope_id, "error": str(exc)})

    async def _send(self, record: Record, trail: CallTrail | None = None) -> str | None:
        """Send an envelope as it was recorded; says why where that did not succeed."""
        headers = {} if record.headers is None else msgspec.json.decode(record.headers, type=dict[str, object])
        envelope = Envelope(
            id=record.id,
            route=Route(record.actors, 0, {"metadata": msgspec.Raw(record.metadata or b"{}")}),
            payload=msgspec.Raw(record.payload or b"null"),
            headers=headers,
            deadline=record.deadline,
        )
        problem: str | None = None
        cause = ""
        queue, body, started_s = self._queue_names.queue(record.actors[0]), envelope.dump(), time.time()
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                delay_s = min(left_s(read_not_before(headers), datetime.now(UTC)), self._transport.max_delay_s)
                await self._transport.send(queue, body, delay_s=delay_s)
        except TimeoutError:
            problem = f"the broker did not confirm it within {SEND_TIMEOUT_S:g}s"
        except QueueMissing as exc:
            problem = str(exc)
        except TransportError as exc:  # its text has the broker's address and user, which are no caller's business
            problem, cause = "the broker did not take it", str(exc)
        if trail is not None:
            trail.sent = started_s, time.time(), queue, len(body)
        told = {"envelope_id": record.id, "actor": record.actors[0], **_trace(headers)}
        if problem is not None:
            log.warning("envelope not sent", extra={**told, "error": cause or problem})
            ended: Ended = send_failed(problem)
            await self._store.report(record.id, ended)
        else:
            log.debug("envelope sent", extra=told)
        return problem


def _trace(headers: Mapping[str, object]) -> dict[str, str]:
    trace_id = trace_id_of(headers.get(names.HEADER_TRACEPARENT))
    return {} if trace_id is None else {"trace_id": trace_id}


def _run_beside(work: Coroutine[None, None, None], tasks: set[asyncio.Task[None]]) -> None:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _told(tool: Tool, envelope_id: str) -> dict[str, object]:
    answer: dict[str, object] = {
        "envelope_id": envelope_id,
        "message": "Envelope created successfully",
        "status_url": f"/envelopes/{envelope_id}",
    }
    if tool.progress:
        answer["stream_url"] = f"/envelopes/{envelope_id}/stream"
    if tool.metadata:
        answer["metadata"] = dict(tool.metadata)
    return answer


def _text(told: Mapping[str, object]) -> str:
    return msgspec.json.encode(told).decode()


def _whole_second(moment: datetime) -> datetime:
    """Round up: deadlines have whole seconds on the wire, and must not come early."""
    return moment.replace(microsecond=0) + timedelta(seconds=1 if moment.microsecond else 0)
