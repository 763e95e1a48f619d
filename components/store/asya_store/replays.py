"""Replays what error-end keeps: which failures that takes, what is sent of each, and that each is sent once.

A group that failed for want of its children is replayed by replaying those; a child's replay completes the group where it was
the last one missing. Callers bring the broker.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from asya_protocol.envelope import Envelope, child_id
from asya_protocol.replay import NotReplayable, from_hop, from_start
from asya_store.claims import ClaimCheck
from asya_store.failures import Failures, Kept
from asya_store.port import Store

From = Literal["hop", "start"]
"""Where it runs again from."""
Start = tuple[tuple[str, ...], bytes]
"""The route and the payload that an envelope was sent with."""
Send = Callable[[str, bytes], Awaitable[None]]
"""Puts a body on an actor's queue; returns once the broker has confirmed it."""
Told = Callable[[Kept, Envelope | None], Awaitable[None]]
"""Told of each failure before it is sent again, or, without an envelope, before it is left to its children."""
CHILD_GONE: Final = (
    "child {index} is not at error-end: a dead letter (asya dlq ls), or still under way, or replayed already"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay does.

    Attributes:
        sends: Failures, and what is sent of each.
        completes: Failed groups that those complete.
        refused: Ids of what cannot be sent again, and why.
    """

    sends: tuple[tuple[Kept, Envelope], ...] = ()
    completes: tuple[Kept, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def foreseen(self) -> "Replayed":
        """What will have become of it if all goes well."""
        sent = [kept.id for kept, _ in self.sends]
        return Replayed(sent, [kept.id for kept in self.completes], refused=list(self.refused))


@dataclass(slots=True)
class Replayed:
    """What became of a plan.

    Attributes:
        replayed: Ids of what was sent again.
        completes: Ids of the failed groups that those complete.
        under_way: Ids of what another replay has sent, or is about to.
        refused: Ids of what cannot be sent again, and why.
        trouble: What ended it before its end.
    """

    replayed: list[str] = field(default_factory=list)
    completes: list[str] = field(default_factory=list)
    under_way: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    trouble: Exception | None = None

    def add(self, told: Mapping[str, Any]) -> None:
        """Take in what became of another plan, as ``as_json`` shapes it."""
        self.replayed += told["replayed"]
        self.completes += told["completes"]
        self.under_way += told["under_way"]
        refused = [(entry["id"], entry["why"]) for entry in told["refused"]]
        self.refused += [pair for pair in refused if pair not in self.refused]

    def not_failed(self, envelope_id: str, *, succeeded: bool) -> None:
        """Note one that has not failed, or not any more."""
        if succeeded:
            self.refused.append((envelope_id, "it has succeeded"))
        else:
            self.under_way.append(envelope_id)

    def as_json(self) -> dict[str, object]:
        """Shape it for JSON."""
        return {
            "replayed": self.replayed,
            "completes": self.completes,
            "under_way": self.under_way,
            "refused": [{"id": envelope_id, "why": why} for envelope_id, why in self.refused],
        }


def plan_replay(
    failures: Failures, chosen: Iterable[Kept], begin: From = "hop", starts: Mapping[str, Start] | None = None
) -> Plan:
    """Decide what is sent for the failures that somebody chose.

    Args:
        failures: Where they are.
        chosen: By their ids or otherwise.
        begin: Where each runs again from.
        starts: By id, what was sent, as far as the caller knows.

    Raises:
        StoreUnavailable: The store is away.
    """
    todo = {kept.key: kept for kept in chosen}
    groups: dict[str, Kept] = {}
    sends: dict[str, tuple[Kept, Envelope]] = {}
    refused: list[tuple[str, str]] = []
    while todo:
        _, kept = todo.popitem()
        start = (starts or {}).get(kept.id)
        if kept.failed.of_group and (begin == "hop" or start is None):
            groups[kept.key] = kept
            found = failures.children(kept)
            todo.update({child.key: child for child in found.values() if child.key not in sends | groups})
            absent = [index for index in kept.failed.missing if index not in found]
            before = _sent_before(failures, kept, absent)
            refused += [(kept.id, CHILD_GONE.format(index=index)) for index in absent if index not in before]
            continue
        try:
            made = from_hop(kept.failed) if begin == "hop" else from_start(kept.failed, *(start or ()))
            sends[kept.key] = kept, made
        except NotReplayable as exc:
            refused.append((kept.id, str(exc)))
    ordered = tuple(sorted(sends.values(), key=lambda send: send[0].key))
    return Plan(ordered, _completed(failures, sends, groups), tuple(refused))


async def perform(plan: Plan, failures: Failures, store: Store, send: Send, *, told: Told, now_s: float) -> Replayed:
    """Send what a plan has; a failure is set aside once the broker has confirmed what was sent of it.

    Args:
        plan: From ``plan_replay``.
        failures: Where it comes from.
        store: Takes payloads that are too large for the broker.
        send: To the broker.
        told: Told before each send.
        now_s: Seconds since 1970.
    """
    done = Replayed(refused=list(plan.refused))
    for kept, envelope in plan.sends:
        try:
            if not await asyncio.to_thread(failures.claim, kept, now_s):
                done.under_way.append(kept.id)
                continue
            await told(kept, envelope)
            body = await asyncio.to_thread(ClaimCheck(store).leave, envelope.dump())
            assert envelope.route.actor is not None  # noqa: S101 - a plan has no others
            await send(envelope.route.actor, body)
        except Exception as exc:  # noqa: BLE001 - told to the caller, with what was done before
            await asyncio.to_thread(failures.release, kept)
            done.trouble = exc
            return done
        await asyncio.to_thread(failures.set_aside, kept, now_s)
        done.replayed.append(kept.id)
    for kept in plan.completes:
        await told(kept, None)
        await asyncio.to_thread(failures.set_aside, kept, now_s)
        done.completes.append(kept.id)
    return done


def _sent_before(failures: Failures, group: Kept, places: Iterable[int]) -> set[int]:
    """Those of a group's missing children that have not failed again which were replayed earlier."""
    return {index for index in places if failures.replayed(child_id(group.id, index))}


def _completed(
    failures: Failures, sends: Mapping[str, tuple[Kept, Envelope]], groups: Mapping[str, Kept]
) -> tuple[Kept, ...]:
    """Find the failed groups all of whose missing children are sent again, or are such groups themselves."""
    sent = {kept.id for kept, _ in sends.values()}
    known, before, complete = dict(groups), dict[str, set[int]](), dict[str, Kept]()
    again = [kept for kept, _ in sends.values()]
    while again:
        parent_id = again.pop().failed.envelope.parent_id
        for kept in failures.find(parent_id) if parent_id else ():
            if kept.failed.of_group and kept.key not in known:
                known[kept.key] = kept
                again.append(kept)
    for _ in range(len(known)):
        for key, kept in known.items():
            missing = {index for index in kept.failed.missing if child_id(kept.id, index) not in sent}
            if key in complete or not kept.failed.missing:
                continue
            if missing and key not in before:
                before[key] = _sent_before(failures, kept, missing - {*failures.children(kept)})
            if not missing or missing <= before[key]:
                complete[key] = kept
                sent.add(kept.id)
    return tuple(complete.values())
