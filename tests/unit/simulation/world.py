"""A whole mesh in virtual time: the real decision core on a broker that duplicates, delays, reorders and drops.

One ``World`` is one seed. Replicas take deliveries, call ``admit`` and ``decide``, and carry the actions out step by step; at
any step the replica may die, its connection may drop, or the broker may hand something out twice. Nothing here sleeps, and
everything is drawn from one seeded generator, so a seed replays the same history.
"""

import heapq
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from asya_protocol.envelope import Envelope, Route
from asya_protocol.reply import ErrorItem, Item
from asya_sidecar.core.actions import Ack, DeadLetter, Decision, Release, RetryLater
from asya_sidecar.core.admit import Hop, Work, admit
from asya_sidecar.core.call_outcome import Outcome, Replied, RuntimeLost, TimedOut
from asya_sidecar.core.decide import Moment, decide
from asya_sidecar.core.retry import RetryPolicy

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
LEASE_S: Final = 30.0
HOPS: Final = ("first", "second", "third")
ENDS: Final = ("happy-end", "error-end")
FAN_OUT: Final = 3
EVENT_LIMIT: Final = 100_000
"""Far more than any finite history of a run needs: reaching it means that something goes round for ever."""
BROKER_LIMIT: Final = 200
"""The broker's own delivery limit; the sidecar's counters must act long before."""


@dataclass(frozen=True)
class Chances:
    """How likely each mishap is, per delivery or per step."""

    raises: float = 0.1
    times_out: float = 0.05
    runtime_dies: float = 0.1
    replica_dies: float = 0.03
    duplicated: float = 0.05
    lease_expires: float = 0.03


@dataclass(slots=True)
class Stored:
    """One body on a queue, or in a replica's hands."""

    body: bytes
    deliveries: int = 0
    settled: bool = False


@dataclass
class World:
    """One run: envelopes in, then events until nothing is left to do."""

    seed: int
    chances: Chances = field(default_factory=Chances)
    envelopes: int = 6
    now_s: float = 0.0
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    queues: dict[str, list[Stored]] = field(default_factory=dict)
    dead: Counter[str] = field(default_factory=Counter)
    ends: dict[str, set[str]] = field(default_factory=lambda: {end: set() for end in ENDS})
    expected: set[str] = field(default_factory=set)
    raising: set[tuple[str, str]] = field(default_factory=set)
    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    handled: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._count = 0
        policy = RetryPolicy(max_attempts=3)
        self.hops = {name: Hop(name, retry=policy, is_end_actor=name in ENDS) for name in (*HOPS, *ENDS)}
        self.queues = {f"asya-{name}": [] for name in self.hops}

    def run(self) -> "World":
        """Send everything, then follow events to the end of time."""
        for number in range(self.envelopes):
            envelope_id = f"e{number}"
            self.expected.add(envelope_id)
            body = Envelope(envelope_id, Route(HOPS), msgspec.Raw(b'{"made":0}')).dump()
            self.send("asya-first", body, self.random.uniform(0, 5))
        while self.events:
            self.handled += 1
            if self.handled > EVENT_LIMIT:
                raise AssertionError(f"seed {self.seed}: still going round after {EVENT_LIMIT} events")
            self.now_s, _, action = heapq.heappop(self.events)
            action()
        return self

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        """Let something happen later."""
        self._count += 1
        heapq.heappush(self.events, (self.now_s + delay_s, self._count, action))

    def send(self, queue: str, body: bytes, delay_s: float = 0.0) -> None:
        """Confirm a body; it arrives some time later, perhaps twice, overtaking others or overtaken."""
        copies = 2 if self.random.random() < self.chances.duplicated else 1
        for _ in range(copies):
            stored = Stored(body)
            self.at(delay_s + self.random.expovariate(5), lambda stored=stored: self.arrive(queue, stored))  # type: ignore[misc]

    def arrive(self, queue: str, stored: Stored) -> None:
        """Put a body on its queue and let a replica look after a while."""
        self.queues[queue].append(stored)
        self.at(self.random.expovariate(2), lambda: self.receive(queue))

    def receive(self, queue: str) -> None:
        """A replica takes any one of what waits."""
        waiting = self.queues[queue]
        if not waiting:
            return
        stored = waiting.pop(self.random.randrange(len(waiting)))
        stored.deliveries += 1
        if stored.deliveries > BROKER_LIMIT:
            raise AssertionError(f"seed {self.seed}: the broker's own limit was reached on {queue}")
        self.at(self.random.expovariate(1), lambda: self.handle(queue, stored))

    def release(self, queue: str, stored: Stored, delay_s: float = 0.0) -> None:
        """Hand a delivery out again; its lease ended, or it was released."""
        if not stored.settled:
            self.at(delay_s, lambda: self.arrive(queue, stored))

    def handle(self, queue: str, stored: Stored) -> None:
        """Carry out one delivery as the sidecar does: admit, call, decide, send, settle - dying anywhere."""
        hop = self.hops[queue.removeprefix("asya-")]
        if self.dies():
            return self.release(queue, stored, LEASE_S)
        admitted = admit(stored.body, hop, self.clock)
        if isinstance(admitted, Work):
            self.note(hop, admitted)
            moment = Moment(self.clock, self.random.random(), "a" * 32, "b" * 16)
            decision = decide(admitted, self.outcome(hop, admitted), hop, moment)
        else:
            decision = admitted
        for send in decision.sends:
            if self.dies():  # After some outputs are confirmed: they stay, and come again with the redelivery.
                return self.release(queue, stored, LEASE_S)
            # From its confirmation on a send must never be lost, a fan-out's child just as its parent.
            self.expected.add(json.loads(send.body)["id"])
            self.send(hop.queue_names.queue(send.actor), send.body)
        if self.dies():
            return self.release(queue, stored, LEASE_S)
        return self.settle(queue, stored, decision)

    def settle(self, queue: str, stored: Stored, decision: Decision) -> None:
        """Tell the broker; its answer may be that the lease was gone."""
        match decision.settlement:
            case RetryLater(body, delay_s):
                self.send(queue, body, delay_s)
                if self.dies():
                    return self.release(queue, stored, LEASE_S)
            case Release(delay_s):
                return self.release(queue, stored, delay_s)
            case DeadLetter():
                self.dead[json.loads(stored.body)["id"]] += 1
            case Ack():
                pass
        if self.random.random() < self.chances.lease_expires:
            return self.release(queue, stored)  # The broker never saw it.
        stored.settled = True
        return None

    def outcome(self, hop: Hop, work: Work) -> Outcome:
        """What the handler did. Whether it raises is drawn once per envelope and hop: attempts fail alike."""
        draw = self.random.random()
        if draw < self.chances.runtime_dies:
            return RuntimeLost("connection closed")
        if draw < self.chances.runtime_dies + self.chances.times_out:
            return TimedOut(work.timeout_s)
        if hop.is_end_actor:
            self.ends[hop.actor].add(work.envelope.id)
            return Replied((Item(msgspec.Raw(b"null")),))
        key = (work.envelope.id, hop.actor)
        if random.Random(f"{self.seed}{key}").random() < self.chances.raises:
            self.raising.add(key)
            return Replied(error=ErrorItem("processing_error", "boom", "ValueError", ("ValueError",)))
        route = Route(HOPS, work.envelope.route.current + 1)
        items = tuple(Item(msgspec.Raw(b"1"), route) for _ in range(FAN_OUT if hop.actor == "second" else 1))
        return Replied(items)

    def note(self, hop: Hop, work: Work) -> None:
        """Remember the highest attempt that a handler was asked for."""
        key = (work.envelope.id, hop.actor)
        self.attempts[key] = max(self.attempts[key], work.attempt)

    def dies(self) -> bool:
        """Whether the replica ends here."""
        return self.random.random() < self.chances.replica_dies

    @property
    def clock(self) -> datetime:
        """Virtual UTC."""
        return EPOCH + timedelta(seconds=self.now_s)
