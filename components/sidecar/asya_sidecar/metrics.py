"""Prometheus metrics of one sidecar, as ``metric_table`` declares them.

``destination_queue`` always is the queue's full name; Asya 0.1.1 wrote the bare actor's name for some sends.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from prometheus_client import Counter, Gauge

from asya_process.metrics import Maker, Tally
from asya_sidecar import metric_table as table
from asya_transport.port import Delivery


class Metrics:
    """The sidecar's metrics; attributes are the collectors."""

    def __init__(self, namespace: str, actor: str, transport: str) -> None:
        make: Final = Maker(namespace)
        self._make = make
        self.registry = make.registry
        self.namespace = namespace
        self.actor = actor
        self.transport = transport
        self._started_s: float | None = time.monotonic()
        """When this process began; ``None`` once its first envelope came."""
        self._processed = make.counter(table.PROCESSED)
        self._sent = make.counter(table.SENT)
        self._failed = make.counter(table.FAILED)
        self._runtime_errors = make.counter(table.RUNTIME_ERRORS)
        self._send_s = make.tallies(table.SEND)
        self._reports = make.counter(table.REPORTS)
        self._reports_waiting = make.gauge(table.REPORTS_WAITING)
        self._pieces = make.counter(table.PIECES)
        self._limited = make.counter(table.LIMIT_WAITS)
        self._told_coalesced = self._told_dropped = 0
        self._in_hand = 0
        make.watch(table.ACTIVE, lambda: {(): self._in_hand})
        self._cold_start = make.gauge(table.COLD_START)
        self._oldest = make.gauge(table.OLDEST)
        self._refused = make.counter(table.CUSTOM_REFUSED)
        self._token_ends = make.gauge(table.TOKEN_ENDS)
        # Children are looked up once: a label lookup costs more than the increment.
        self._received_here = make.counter(table.RECEIVED).labels(actor, transport)
        self._processing_here = make.tallies(table.PROCESSING).labels(actor)
        self._runtime_here = make.tallies(table.RUNTIME).labels(actor)
        self._receive_here = make.tallies(table.RECEIVE).labels(actor, transport)
        self._waited_here = make.tallies(table.WAITED).labels(actor)
        self._redelivered_here = make.counter(table.REDELIVERED).labels(actor)
        self._extended_here = make.counter(table.LEASES_EXTENDED).labels(actor)
        self._lost_here = make.counter(table.LEASES_LOST).labels(actor)
        self._slots_here = make.gauge(table.SLOTS).labels(actor)
        self._sends: dict[tuple[str, str], tuple[Counter, Tally]] = {}
        self._ends: dict[tuple[str, str | None], tuple[Counter, ...]] = {}
        self._oldest_here: Gauge | None = None
        size, claims, attempts = (
            make.tallies(table.SIZE),
            make.counter(table.CLAIM_BYTES),
            make.counter(table.ATTEMPTS),
        )
        self._size_in, self._size_out = size.labels("received"), size.labels("sent")
        self._claims_left, self._claims_fetched = claims.labels(actor, "left"), claims.labels(actor, "fetched")
        self._first, self._retry = attempts.labels(actor, "first"), attempts.labels(actor, "retry")

    def show_token(self, ends_s: float) -> None:
        """Until when the token is good with which this sidecar reports (Unix time)."""
        self._token_ends.labels(self.actor).set(ends_s)

    def received(self, deliveries: Sequence[Delivery]) -> None:
        """A receive brought envelopes."""
        if self._started_s is not None:
            self._cold_start.labels(self.actor).set(time.monotonic() - self._started_s)
            self._started_s = None
        now_s, oldest_s = time.time(), None
        for delivery in deliveries:
            self._received_here.inc()
            self._size_in.observe(len(delivery.body))
            if delivery.delivery_count > 1:
                self._redelivered_here.inc()
            if delivery.sent_s is not None:
                waited_s = max(0.0, now_s - delivery.sent_s)  # clocks differ, RabbitMQ's is whole seconds
                self._waited_here.observe(waited_s)
                oldest_s = waited_s if oldest_s is None else max(oldest_s, waited_s)
        if oldest_s is not None:
            if self._oldest_here is None:  # absent until something was received
                self._oldest_here = self._oldest.labels(self.actor)
            self._oldest_here.set(oldest_s)

    def receive_took(self, duration_s: float) -> None:
        """A receive call that brought something ended."""
        self._receive_here.observe(duration_s)

    def sent(self, queue: str, kind: str, size_bytes: int, duration_s: float) -> None:
        """A send was confirmed."""
        children = self._sends.get((queue, kind))
        if children is None:
            children = self._sent.labels(queue, kind), self._send_s.labels(queue, self.transport)
            self._sends[queue, kind] = children
        children[0].inc()
        children[1].observe(duration_s)
        self._size_out.observe(size_bytes)

    def called(self, duration_s: float) -> None:
        """A handler call ended, however."""
        self._runtime_here.observe(duration_s)

    def attempted(self, *, again: bool) -> None:
        """The handler got an envelope, ``again`` where it has had it at this hop before."""
        (self._retry if again else self._first).inc()

    def settled(self, result: str, failed_reason: str | None, duration_s: float) -> None:
        """A delivery was settled."""
        counters = self._ends.get((result, failed_reason))
        if counters is None:
            counters = self._ends[result, failed_reason] = self._counters_of(result, failed_reason)
        for counter in counters:
            counter.inc()
        self._processing_here.observe(duration_s)

    def _counters_of(self, result: str, failed_reason: str | None) -> tuple[Counter, ...]:
        found = []
        if failed_reason is None:
            found.append(self._processed.labels(self.actor, result))
        elif result != "retried":
            found.append(self._failed.labels(self.actor, failed_reason))
        if failed_reason == "runtime_error":
            found.append(self._runtime_errors.labels(self.actor, "execution_error"))
        return tuple(found)

    def limited(self, name: str) -> None:
        """An envelope has to wait for a limit, or because the state of its limits is ``away``."""
        self._limited.labels(self.actor, name).inc()

    def in_hand(self, count: int) -> None:
        """So many envelopes are being processed now."""
        self._in_hand = count

    def leases_extended(self, count: int) -> None:
        """So many deliveries stay ours for longer."""
        self._extended_here.inc(count)

    def lease_lost(self) -> None:
        """A delivery turned out to be somebody else's by now."""
        self._lost_here.inc()

    def claim_left(self, size_bytes: int) -> None:
        """A payload went to the object store."""
        self._claims_left.inc(size_bytes)

    def claim_fetched(self, size_bytes: int) -> None:
        """A payload came from the object store."""
        self._claims_fetched.inc(size_bytes)

    def slots(self, count: int) -> None:
        """So many handler calls may run at once."""
        self._slots_here.set(count)

    def watch_busy(self, busy_s: Callable[[], float]) -> None:
        """Read at each scrape how long handlers have been at work, the calls under way included."""
        self._make.watch(table.BUSY, lambda: {(self.actor,): busy_s()})

    def watch_requests(self, requests: Mapping[str, int]) -> None:
        """Read at each scrape how many requests the broker got, by call."""
        self._make.watch(
            table.BROKER_REQUESTS, lambda: {(self.actor, call): count for call, count in tuple(requests.items())}
        )

    def custom_refused(self, reason: str) -> None:
        """A line of a handler's own metrics was not taken."""
        self._refused.labels(self.actor, reason).inc()

    def reported(self, kind: str, result: str) -> None:
        """The gateway took a report, refused it, or could not be asked."""
        self._reports.labels(kind, result).inc()

    def streamed(self, result: str, count: int) -> None:
        """So many pieces of streams were delivered, dropped or refused."""
        self._pieces.labels(self.actor, result).inc(count)

    def reports_waiting(self, waiting: int, coalesced: int, dropped: int) -> None:
        """So many reports wait; so many have given way to newer ones, or were given up, since the start."""
        self._reports_waiting.set(waiting)
        self._reports.labels("progress", "coalesced").inc(coalesced - self._told_coalesced)
        self._reports.labels("progress", "dropped").inc(dropped - self._told_dropped)
        self._told_coalesced, self._told_dropped = coalesced, dropped
