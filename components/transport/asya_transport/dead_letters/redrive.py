"""Browses, redrives and purges dead letters, the same way on every broker.

A redrive sends first and acknowledges the dead letter only when the broker has confirmed, so that an interruption at any
moment can duplicate what was in flight and lose nothing; running it again goes on where it ended.

A pass reads what the queue held when it began. What comes after that is taken too, unless this pass has seen it: an
envelope that fails again while we are at it is not sent round and round.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from asya_protocol import names
from asya_protocol.errors import AsyaError, QueueMissing, TransportError, TransportUnavailable
from asya_transport.dead_letters.filter import Condition, matches
from asya_transport.dead_letters.hold import Holding, hold
from asya_transport.dead_letters.letter import DeadLetter, read_dead_letter
from asya_transport.port import Delivery, QueueAdmin, Transport

IN_FLIGHT_MOST: Final = 50
"""Sends at once: enough to fill SQS's batches of ten and to hide a broker's confirmation time."""
MEASURE_AT_ONCE: Final = 8

Act = Callable[[DeadLetter], Awaitable[None]]


@dataclass(slots=True)
class Tally:
    """What a pass has done; kept up to date while it runs.

    Attributes:
        expected: What the queue held at the start, about.
        read: How many were looked at.
        matched: How many of those were chosen; the others are released.
        done: How many were sent or thrown away for good; with ``dry_run`` none.
        uncertain: Sent, but perhaps not taken out: they may be there again, as duplicates.
        failed: Reasons why some could not be sent, and how many; these stay.
        interrupted: Whether the caller ended it early.
        trouble: What ended it early.
    """

    expected: int = 0
    read: int = 0
    matched: int = 0
    done: int = 0
    uncertain: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False
    trouble: AsyaError | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters, how fast, and who listens.

    Attributes:
        where: Conditions that all must hold.
        rate: At most so many a second; ``None`` is as fast as the broker.
        dry_run: Choose and count, touch nothing.
        stopping: Set by the caller to end the pass: what is in flight is finished, the rest released.
        progress: Told of the tally after each.
    """

    where: Sequence[Condition] = ()
    rate: float | None = None
    dry_run: bool = False
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    progress: Callable[[Tally], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Listing:
    """Dead letters that were looked at.

    Attributes:
        entries: Those that matched, in the order in which they came.
        total: What the queue holds, about.
        complete: Whether the whole queue was read.
        interrupted: Whether the caller ended it early.
    """

    entries: list[DeadLetter]
    total: int
    complete: bool
    interrupted: bool = False


async def browse(
    transport: Transport, admin: QueueAdmin, queue: str, *, limit: int, selection: Selection | None = None
) -> Listing:
    """Look at up to ``limit`` dead letters that match, and leave all where they are.

    Raises:
        QueueMissing: There is no such queue.
        TransportUnavailable: The broker is away.
    """
    chosen = selection or Selection()
    entries: list[DeadLetter] = []
    async with hold(transport, admin, queue, chosen.stopping) as holding:
        while len(entries) < limit and (taken := await holding.take()):
            letters = (read_dead_letter(delivery, queue) for delivery in taken)
            entries += [letter for letter in letters if matches(chosen.where, letter)]
        return Listing(
            entries[:limit],
            total=max(holding.expected, holding.read),
            complete=holding.past_end and len(entries) <= limit,
            interrupted=chosen.stopping.is_set(),
        )


async def redrive(
    transport: Transport, admin: QueueAdmin, queue: str, *, to: str | None = None, selection: Selection | None = None
) -> Tally:
    """Send dead letters out again, with all their attempts, and take them out of their queue.

    Args:
        transport: Connected.
        admin: Of the same broker.
        queue: The dead letter queue.
        to: Queue to send to; ``None`` is the one that each was taken from.
        selection: Which, and how fast.

    Returns:
        What was done; an error on the way ends the pass and is its ``trouble``.

    Raises:
        QueueMissing: There is no such dead letter queue, or no queue ``to``.
        TransportUnavailable: The broker is away from the start.
    """
    if to is not None:
        await admin.measure(to)  # a slip of the name is said before anything is touched

    async def act(letter: DeadLetter) -> None:
        await transport.send(to or letter.source, letter.fresh_body(), attributes=letter.fresh_attributes())

    return await _Pass(queue, act, selection or Selection()).run(transport, admin)


async def purge(transport: Transport, admin: QueueAdmin, queue: str, *, selection: Selection | None = None) -> Tally:
    """Purge dead letters.

    Raises:
        QueueMissing: There is no such queue.
        TransportUnavailable: The broker is away from the start.
    """

    async def act(_: DeadLetter) -> None:
        """Keep nothing: the acknowledgement that follows deletes it."""

    return await _Pass(queue, act, selection or Selection()).run(transport, admin)


async def count_dead_letters(admin: QueueAdmin, prefix: str, queues: Iterable[str] = ()) -> dict[str, int]:
    """Count the entries of all dead letter queues.

    Args:
        admin: Of the broker.
        prefix: Begins the names of the mesh's queues.
        queues: Queues that are known to have one; without any, the broker has to list them.

    Returns:
        Entries by name of the dead letter queue, sorted; those of ``queues`` that do not exist are left out.

    Raises:
        TransportUnavailable: The broker is away.
        TransportError: It cannot list queues, and none are known.
    """
    dead = {names.dlq_name(queue) for queue in queues}
    try:
        dead |= {name for name in await admin.list_queues(prefix) if name.endswith(names.DLQ_SUFFIX)}
    except TransportUnavailable:
        raise
    except TransportError:
        if not dead:
            raise
    gate = asyncio.Semaphore(MEASURE_AT_ONCE)

    async def measure(name: str) -> tuple[str, int] | None:
        async with gate:
            try:
                return name, (await admin.measure(name)).total
            except QueueMissing:
                return None

    return dict(filter(None, await asyncio.gather(*(measure(name) for name in sorted(dead)))))


class _Pass:
    """One pass that acts on what matches."""

    def __init__(self, queue: str, act: Act, selection: Selection) -> None:
        self._queue = queue
        self._act = act
        self._chosen = selection
        self._tally = Tally()
        self._gate = asyncio.Semaphore(IN_FLIGHT_MOST)
        self._seen: set[bytes] = set()
        self._next_s = 0.0

    async def run(self, transport: Transport, admin: QueueAdmin) -> Tally:
        """Perform it."""
        tally = self._tally
        async with hold(transport, admin, self._queue, self._chosen.stopping) as holding:
            tally.expected = holding.expected
            async with asyncio.TaskGroup() as moves:
                try:
                    await self._read_on(holding, moves)
                except AsyaError as exc:
                    tally.trouble = tally.trouble or exc
        tally.interrupted = self._chosen.stopping.is_set()
        return tally

    async def _read_on(self, holding: Holding, moves: asyncio.TaskGroup) -> None:
        tally, chosen = self._tally, self._chosen
        while tally.trouble is None:
            past_end = holding.past_end
            taken = await holding.take()
            letters = [(delivery, read_dead_letter(delivery, self._queue)) for delivery in taken]
            if past_end:
                letters = [(delivery, letter) for delivery, letter in letters if letter.identity not in self._seen]
            if not letters:
                return
            for delivery, letter in letters:
                self._seen.add(letter.identity)
                tally.read += 1
                if not matches(chosen.where, letter):
                    continue
                tally.matched += 1
                if not chosen.dry_run:
                    if not await self._may_go_on():
                        tally.matched -= 1
                        return
                    moves.create_task(self._move(holding, delivery, letter))
                chosen.progress(tally)

    async def _may_go_on(self) -> bool:
        """Wait for a place and for the pace; false when the pass has to end instead."""
        await self._gate.acquire()
        stopping = self._chosen.stopping
        if self._chosen.rate is not None:
            now_s = time.monotonic()
            wait_s, self._next_s = self._next_s - now_s, max(now_s, self._next_s) + 1 / self._chosen.rate
            if wait_s > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), wait_s)
        if stopping.is_set() or self._tally.trouble is not None:
            self._gate.release()
            return False
        return True

    async def _move(self, holding: Holding, delivery: Delivery, letter: DeadLetter) -> None:
        tally = self._tally
        try:
            await self._act(letter)
        except TransportUnavailable as exc:
            tally.trouble = tally.trouble or exc
        except AsyaError as exc:
            tally.failed[str(exc)] += 1
        else:
            await self._settle(holding, delivery)
        finally:
            self._gate.release()
        self._chosen.progress(tally)

    async def _settle(self, holding: Holding, delivery: Delivery) -> None:
        try:
            await holding.settle(delivery)
        except TransportUnavailable as exc:
            self._tally.trouble = self._tally.trouble or exc
            self._tally.uncertain += 1
        except AsyaError:
            self._tally.uncertain += 1  # the lease had ended: it may have been taken out, or come again
        else:
            self._tally.done += 1
