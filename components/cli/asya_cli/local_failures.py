"""The failures of a local mesh, replayed from its object store; and failures as the conditions of dead letters see them."""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from asya_cli.exit_codes import CommandError, NotFound
from asya_cli.running_mesh import broker_environment, on_broker, require_mesh
from asya_protocol import names
from asya_store.factory import open_store
from asya_store.failures import Failures, Kept
from asya_store.replays import From, Plan, Replayed, perform, plan_replay
from asya_store.results import find_result
from asya_transport.dead_letters.letter import DeadLetter, read_dead_letter
from asya_transport.port import Delivery

if TYPE_CHECKING:
    from asya_protocol.names import QueueNames
    from asya_transport.dead_letters.filter import Condition
    from asya_transport.port import QueueAdmin, Transport


class LocalFailures:
    """The failures in the object store of a local mesh, and the way to its broker."""

    def __init__(self, home: Path) -> None:
        self._environment = broker_environment(require_mesh(home))
        store = open_store(self._environment)
        if store is None:
            raise CommandError("this mesh cannot replay: it has no object store")
        self._store = store
        self._failures = Failures(store, self._environment)

    def chosen(self, where: "Iterable[Condition]", since_s: float | None) -> list[str]:
        """Ids of the failures that the conditions hold for, the caller's cancels left out."""
        after_s = 0.0 if since_s is None else time.time() - since_s
        found = [kept for kept in self._failures.all() if kept.at_s >= after_s and not kept.failed.cancelled]
        return [kept.id for kept in found if all(condition.holds(letter(kept)) for condition in where)]

    def replay(self, envelope_id: str, begin: From, done: Replayed, *, dry_run: bool, bulk: bool) -> None:
        """Send one again."""
        chosen = self._failures.find(envelope_id)
        if not chosen:
            if not bulk:
                self._not_there(envelope_id, done)
            return
        plan = plan_replay(self._failures, chosen, begin)
        if dry_run:
            done.add(plan.foreseen.as_json())
            return
        made = self._perform(plan)
        done.add(made.as_json())
        done.trouble = made.trouble

    def _perform(self, plan: Plan) -> Replayed:
        async def work(
            transport: "Transport", _admin: "QueueAdmin", queues: "QueueNames", _stopping: asyncio.Event
        ) -> Replayed:
            async def send(actor: str, body: bytes) -> None:
                await transport.send(queues.queue(actor), body)

            async def told(_kept: Kept, _envelope: object) -> None:
                return

            return await perform(plan, self._failures, self._store, send, told=told, now_s=time.time())

        return on_broker(self._environment, work)

    def _not_there(self, envelope_id: str, done: Replayed) -> None:
        if find_result(self._store, self._environment, envelope_id) is not None:
            done.not_failed(envelope_id, succeeded=True)
        elif self._failures.replayed(envelope_id):
            done.not_failed(envelope_id, succeeded=False)
        else:
            raise NotFound(f"error-end has nothing of {envelope_id}", f"asya why {envelope_id}")


def letter(kept: Kept) -> DeadLetter:
    """Show a failure as the conditions of dead letters see one: with what its hop was given, and why it failed."""
    envelope = replace(kept.failed.envelope, payload=kept.failed.given or msgspec.Raw(b"null"))
    return _as_letter(envelope.dump(), kept.failed.cause)


def letter_of(record: Mapping[str, Any], summary: Mapping[str, Any]) -> DeadLetter:
    """Show a gateway's record of a failed envelope in the same way."""
    body = {
        name: record[name]
        for name in ("id", "parent_id", "route", "headers", "payload")
        if record.get(name) is not None
    }
    return _as_letter(
        json.dumps({"payload": None, **body}).encode(), str(summary.get("reason") or summary.get("error"))
    )


def _as_letter(body: bytes, reason: str) -> DeadLetter:
    return read_dead_letter(Delivery(body, None, attributes={names.ATTRIBUTE_REASON: reason}), "")
