"""The way to a local mesh past its gateway: envelopes are put on its queues, results read from its store."""

import asyncio
import logging
import os
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from asya.client.errors import EnvelopeFailed, MeshAway, NotOffered, NotSent
from asya.client.sent import Sent
from asya_local.mesh import MeshInfo, known_actors, wrong_route
from asya_local.sent import SendNote, note_sent
from asya_protocol import names
from asya_protocol.envelope import format_time, left_early_at
from asya_protocol.errors import AsyaError, TransportUnavailable
from asya_protocol.new_envelope import new_envelope
from asya_protocol.not_before import left_s
from asya_protocol.partial import lacking, without
from asya_protocol.status import Status
from asya_protocol.trace import trace_id_of
from asya_store.claims import ClaimCheck
from asya_store.factory import open_store
from asya_store.results import find_result
from asya_transport.factory import open_transport
from asya_transport.settings import read_transport_settings

log: Final = logging.getLogger("asya.client")

CONNECT_LIMIT_S: Final = 30.0
POLL_S: Final = 0.1
"""One small read of the store per look; results of a mesh on one machine take tens of milliseconds."""


class MeshLink:
    """One running mesh on this machine."""

    def __init__(self, info: MeshInfo) -> None:
        self._home = info.home
        self._environment = info.environment()
        # Credentials go where the AWS clients look.
        os.environ.update({name: value for name, value in self._environment.items() if name.startswith("AWS_")})
        settings = read_transport_settings(self._environment)
        self._names = settings.queue_names
        self._transport = open_transport(settings)
        self._store = open_store(self._environment)
        self._connected = False
        self._lock = asyncio.Lock()

    def actors(self) -> set[str]:
        """Name the actors that a route may have."""
        return known_actors(self._home)

    async def send(
        self,
        actors: Sequence[str],
        payload: Any,  # noqa: ANN401 - any JSON value
        *,
        envelope_id: str | None,
        headers: Mapping[str, object],
        deadline_s: float | None,
        not_before: datetime | None = None,
    ) -> Sent:
        """Put an envelope on the queue of its route's first actor; returns when the broker has confirmed it.

        Raises:
            NotSent: It breaks a rule, or the mesh has no such actor.
            MeshAway: The broker cannot be reached.
        """
        try:
            envelope = new_envelope(
                actors,
                msgspec.json.encode(payload),
                envelope_id=envelope_id or str(uuid.uuid4()),
                trace_id=secrets.token_hex(16),
                span_id=secrets.token_hex(8),
                headers=headers,
                deadline=None if deadline_s is None else datetime.now(UTC) + timedelta(seconds=deadline_s),
                not_before=not_before,
            )
            body = envelope.dump()
            if wrong := wrong_route(actors, self.actors()):
                raise NotSent(wrong)
            if self._store is not None:
                body = await asyncio.to_thread(ClaimCheck(self._store).leave, body)
            await self._connect()
            now_s, trace_id = time.time(), trace_id_of(envelope.headers[names.HEADER_TRACEPARENT]) or ""
            delay_s = min(left_s(not_before, datetime.now(UTC)), self._transport.max_delay_s)
            await self._transport.send(self._names.queue(actors[0]), body, delay_s=delay_s)
            until = "" if not_before is None else format_time(not_before)
            note_sent(self._home, envelope.id, SendNote(now_s, actors[0], trace_id, until))
        except (TransportUnavailable, TimeoutError) as exc:
            raise MeshAway(f"the mesh's broker cannot be reached: {exc or 'it does not answer'}") from exc
        except (AsyaError, TypeError) as exc:  # TypeError: the payload is no JSON
            raise NotSent(str(exc)) from exc
        return Sent(envelope.id, trace_id)

    async def end(self, sent: Sent) -> Any:  # noqa: ANN401 - any JSON value
        """Wait for an envelope's end, and return its result; ``None`` also where a handler returned nothing.

        Raises:
            EnvelopeFailed: It failed.
            NotOffered: The mesh persists no results.
        """
        store = self._store
        if store is None:
            raise NotOffered("this mesh has no object store, so that results are not kept")
        while True:
            found = await asyncio.to_thread(find_result, store, self._environment, sent.id, sent.trace_id or None)
            if found is not None:
                return read_end(sent, *found)
            await asyncio.sleep(POLL_S)

    async def close(self) -> None:
        """Disconnect."""
        await self._transport.close()

    async def _connect(self) -> None:
        async with self._lock:
            if not self._connected:
                async with asyncio.timeout(CONNECT_LIMIT_S):
                    await self._transport.connect()
                self._connected = True


def read_end(sent: Sent, status: Status, envelope: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """Read what an end actor kept: the result, ``None`` where the envelope left early; warns of one that is partial.

    Raises:
        EnvelopeFailed: It failed.
    """
    payload = envelope.get("payload")
    if status is Status.SUCCEEDED:
        route = envelope.get("route") or {}
        if lacks := without(lacking(envelope.get("headers") or {})):
            log.warning("%s succeeded %s", sent.id, lacks)
        early = left_early_at(route.get("actors") or (), route.get("current", 0))
        return None if early else payload  # what is kept of one that left early is what its last handler was given
    failure = payload if isinstance(payload, dict) else {"error": payload}
    raise EnvelopeFailed(sent.id, str(failure.get("error")), failure.get("details") or {})
