"""Runs schedules: every replica looks what is due, and the database decides which of them makes a fire.

A fire is a tool call whose key is the schedule and its time. Keys are unique in the database, so that there is no leader to
elect or to lose: whoever comes second finds the first one's envelope, and sends it where the first one died before it could.
So a fire is made once, whichever replicas are killed or started meanwhile, as long as one of them runs within ``catchUp``.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from asya_gateway.calls import SENDING_S, Calls, KeyReused, UnknownTool
from asya_gateway.records.call_key import KEPT_S, CallKey, call_key
from asya_gateway.records.lifecycle import Ended
from asya_gateway.records.record import Record
from asya_gateway.schedules.cron import before, due
from asya_gateway.store.port import EnvelopeStore
from asya_gateway.tools.toolbox import Toolbox
from asya_manifest.schedules import Schedule
from asya_manifest.tools import Tool
from asya_protocol.errors import StoreUnavailable

log: Final = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
AGAIN_S: Final = 15.0
"""After so long a fire is tried again that could not be made."""
SKIPPED: Final = "skipped: the envelope of the fire before is still open"
Fire = tuple[str, datetime]


class Schedules:
    """The schedules of one gateway's tool files.

    Args:
        toolbox: Has them, as they are now.
        calls: Makes calls.
        store: Of the envelopes.
        clock: UTC.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        calls: Calls,
        store: EnvelopeStore,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._toolbox = toolbox
        self._calls = calls
        self._store = store
        self._clock = clock
        self._done: dict[Fire, datetime | None] = {}
        """Fires that need nothing more, and those to try again, with the moment from which on."""

    async def run(self) -> None:
        """Look for what is due until cancelled."""
        while True:
            try:
                await self.look()
            except Exception:  # one defect must not end every later fire
                log.exception("schedules not looked at")
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Make every fire whose turn has come."""
        now, known = self._clock(), dict(self._done)
        self._done.clear()
        for schedule in self._toolbox.schedules.values():
            for fire in due(schedule, now):
                name = schedule.name, fire
                again = known.get(name, now)
                if again is None or again > now:
                    self._done[name] = again
                    continue
                self._done[name] = await self._make(schedule, fire, now)

    async def _make(self, schedule: Schedule, fire: datetime, now: datetime) -> datetime | None:
        """Make a fire; ``None`` once it needs nothing more, else when to try again."""
        told = {"schedule": schedule.name, "fire": fire.isoformat(), "tool": schedule.tool}
        tool, key = self._toolbox.tools[schedule.tool], key_of(schedule, fire)
        try:
            if (
                schedule.overlap == "skip"
                and await self._store.claim(key) is None
                and await self._is_open(schedule, fire)
            ):
                if await self._skip(tool, key, now):
                    log.warning("fire skipped", extra={**told, "error": SKIPPED})
                return None
            answer = await self._calls.call(schedule.tool, schedule.arguments, key=key)
        except KeyReused:
            log.warning("fire was made with other arguments before", extra=told)
            return None
        except (StoreUnavailable, UnknownTool) as exc:
            log.warning("fire not made", extra={**told, "error": str(exc)})
            return self._later(now)
        if answer.is_error:
            log.error("fire not made", extra={**told, "error": answer.text})
            return self._later(now)
        if answer.calls == 1:
            log.info("fire made", extra={**told, "envelope_id": answer.envelope_id})
        return None

    @staticmethod
    def _later(now: datetime) -> datetime:
        return datetime.fromtimestamp(now.timestamp() + AGAIN_S, UTC)

    async def _is_open(self, schedule: Schedule, fire: datetime) -> bool:
        """Whether the envelope of the last fire that was made is still open."""
        timeout_s = self._toolbox.tools[schedule.tool].timeout_s or KEPT_S
        for earlier in before(schedule, fire, min(KEPT_S, timeout_s + schedule.jitter_s + schedule.catch_up_s)):
            claim = await self._store.claim(key_of(schedule, earlier))
            record = None if claim is None else await self._store.get(claim.envelope_id)
            if record is not None and record.error != SKIPPED:
                return not record.status.final
        return False

    async def _skip(self, tool: Tool, key: CallKey, now: datetime) -> bool:
        """Keep a record of a fire that was skipped, so that nobody makes it later; false where another replica made it."""
        record = Record(
            id=str(uuid.uuid4()), actors=tool.route, created_at=now, updated_at=now, current_actor_name=tool.route[0]
        )
        claim = await self._store.create_once(record, Ended(succeeded=False, error=SKIPPED), key, SENDING_S)
        if claim.calls > 1:
            return False
        await self._store.claim_sent(key)
        return True


def key_of(schedule: Schedule, fire: datetime) -> CallKey:
    """What a fire is known by."""
    return call_key("", ["schedule", schedule.name, fire.isoformat()], schedule.tool, schedule.arguments)
