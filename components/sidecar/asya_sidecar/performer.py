"""Performs decisions: confirmed sends, then final reports, then the settlement. Decides nothing about envelopes.

The order is the promise: a delivery is acknowledged only after every output of its hop is confirmed. Where a send turns out
impossible (no such queue, too large) the envelope goes to error-end with that reason; where the broker is away it is tried
again for a while, and then the delivery is released.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from asya_process.backoff import pauses
from asya_protocol.errors import (
    EnvelopeRefused,
    EnvelopeTooLarge,
    LeaseLost,
    QueueMissing,
    StoreUnavailable,
    TransportError,
)
from asya_sidecar.admission import Admission
from asya_sidecar.core.about import about
from asya_sidecar.core.actions import Ack, DeadLetter, Decision, Release, Report, RetryLater, Send
from asya_sidecar.core.admit import Hop, Work, refuse
from asya_sidecar.core.build import with_counters
from asya_sidecar.core.decide import without_group
from asya_sidecar.core.trail import Sent, Trail
from asya_sidecar.metrics import Metrics
from asya_sidecar.reporter import GatewayAway, GatewayReporter
from asya_transport.port import Consumer, Delivery, Transport

log: Final = logging.getLogger(__name__)

SEND_PATIENCE_S: Final = 60.0
"""How long sends are tried while the broker is away, before the delivery is released and its work done again."""
MISSING_PATIENCE_S: Final = 10.0
"""How long a queue may be missing, because its actor was applied a moment ago, before the route counts as wrong."""
AWAY: Final = (TransportError, StoreUnavailable)
"""What stopped a send that may succeed later."""
IMPOSSIBLE: Final = (QueueMissing, EnvelopeTooLarge, EnvelopeRefused)
"""What no further attempt at the same send can mend."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0


class Performer:
    """Carries out decisions on one actor's deliveries."""

    def __init__(
        self,
        transport: Transport,
        consumer: Consumer,
        hop: Hop,
        metrics: Metrics,
        *,
        reporter: GatewayReporter | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._transport = transport
        self._consumer = consumer
        self._hop = hop
        self._queue = hop.queue_names.queue(hop.actor)
        self._metrics = metrics
        self._reporter = reporter
        self._admission = admission or Admission(hop)

    @property
    def has_gateway(self) -> bool:
        """Whether reports go anywhere."""
        return self._reporter is not None

    def post(self, reports: Iterable[Report]) -> None:
        """Report in the background, where there is a gateway; returns at once."""
        if self._reporter is not None:
            for report in reports:
                self._reporter.post(report)

    async def send_all(self, sends: Iterable[Send], trail: Trail | None = None) -> None:
        """Send and await the confirmation of each, and note it in the trail of the hop.

        Raises:
            QueueMissing, EnvelopeTooLarge, EnvelopeRefused: A send is impossible.
            TransportUnavailable: The broker stayed away.
            StoreUnavailable: A payload is too large for the broker, and the store stayed away.
        """
        sends = tuple(sends)
        if len(sends) == 1:  # Nearly always; a task of its own would cost as much as the send.
            await self._send(sends[0], trail)
            return
        pending = [asyncio.ensure_future(self._send(send, trail)) for send in sends]
        try:
            await asyncio.gather(*pending)
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def perform(
        self, decision: Decision, delivery: Delivery, work: Work | None, trail: Trail | None = None
    ) -> Decision:
        """Carry out a decision.

        Args:
            decision: What to do.
            delivery: What to settle.
            work: The admitted envelope, for an error envelope when a send is impossible; ``None`` when it was refused.
            trail: Told of sends and of the settlement, where the hop is traced.

        Returns:
            The decision that was carried out in the end, for logs and metrics.
        """
        try:
            done = await self._send_or_fail(decision, work, trail)
            try:
                await self._report(done)
            except GatewayAway as exc:
                done = self._without_final_report(done, work, exc)
        except AWAY as exc:
            done = Decision(Release(LONGEST_PAUSE_S), "released", failed_reason="routing_error", cause=str(exc))
        if work is not None:
            # Before the settlement: what is done stays done though that be lost.
            await self._admission.let_go(work, done)
        try:
            started_s = 0.0 if trail is None else time.time()
            await self._settle(done, delivery, work)
            if trail is not None:
                trail.settling = (started_s, time.time())
            if isinstance(done.settlement, Ack) and work is not None:
                await self._admission.redeem(work)
        except AWAY as exc:
            if isinstance(exc, LeaseLost):
                self._metrics.lease_lost()
            # The outputs are confirmed, and what was not settled comes again: a duplicate, never a loss.
            told = {**about(work, self._hop.actor), "error": str(exc), "result": done.result}
            log.warning("settlement not taken", extra=told)
            await self.release(delivery)
        return done

    async def release(self, delivery: Delivery) -> None:
        """Release a delivery whose settlement failed: while its connection lives, the broker will not.

        It is not kept as long as the broker, or the store, refuses: each one kept would take a place of the prefetch.
        """
        try:
            await self._consumer.release(delivery, LONGEST_PAUSE_S)
        except TransportError as exc:
            log.debug("delivery not released, it comes again by itself", extra={"error": str(exc)})

    async def _send_or_fail(self, decision: Decision, work: Work | None, trail: Trail | None) -> Decision:
        try:
            await self.send_all(decision.sends, trail)
        except IMPOSSIBLE as exc:
            wanted = tuple(send for send in decision.sends if send.kind != "notice")
            if len(wanted) < len(decision.sends):  # what only tells others must not decide about the envelope itself
                return await self._send_or_fail(replace(decision, sends=wanted), work, trail)
            if work is None or self._hop.is_end_actor:
                # Nothing is left to send: the delivery itself becomes the dead letter.
                return Decision(DeadLetter(str(exc)), "dead_lettered", failed_reason="routing_error", cause=str(exc))
            failure = without_group(refuse(work.envelope, self._hop, str(exc), "routing_error"), work, self._hop)
            try:
                await self.send_all(failure.sends, trail)
            except IMPOSSIBLE as worse:
                text = f"{exc}; error-end did not take it either: {worse}"
                return Decision(DeadLetter(text), "dead_lettered", failed_reason="error_queue_send_failed", cause=text)
            return failure
        return decision

    async def _report(self, decision: Decision) -> None:
        if self._reporter is None:
            return
        for report in decision.reports:
            if report.kind == "final":
                await self._reporter.deliver(report)
            else:
                self._reporter.post(report)

    def _without_final_report(self, done: Decision, work: Work | None, away: GatewayAway) -> Decision:
        """Choose the settlement of a delivery whose final report was not accepted.

        At an end actor the envelope comes again as a copy, so that no broker counts how long the gateway is away. A dead
        letter is buried all the same: what takes processes with it must not run again for the sake of a report, and the
        gateway has its deadline.
        """
        if isinstance(done.settlement, DeadLetter):
            log.error("dead letter not reported", extra=about(work, self._hop.actor))
            self._metrics.reported("final", "dropped")
            return done
        if work is None:
            return Decision(Release(LONGEST_PAUSE_S), "released", failed_reason="gateway_error", cause=str(away))
        traced_s = time.time() if work.trail is not None and work.trail.recorded else None
        copy = with_counters(work.source or work.body, attempt=work.attempt, delivery=work.delivery, traced_s=traced_s)
        return Decision(RetryLater(copy, away.again_s), "released", failed_reason="gateway_error", cause=str(away))

    async def _settle(self, decision: Decision, delivery: Delivery, work: Work | None) -> None:
        match decision.settlement:
            case Ack():
                await self._consumer.ack(delivery)
            case RetryLater(body, delay_s):
                await self._retry_later(delivery, body, delay_s)
            case Release(delay_s):
                await self._consumer.release(delivery, delay_s)
            case DeadLetter(reason, fallback):
                try:
                    await self._consumer.dead_letter(delivery, reason)
                except QueueMissing:
                    await self._without_dead_letter_queue(delivery, reason, fallback, work)

    async def _retry_later(self, delivery: Delivery, body: bytes, delay_s: float) -> None:
        try:
            delay_s = min(delay_s, self._transport.max_delay_s)
            await self._transport.send(self._queue, await self._admission.lighten(body), delay_s=delay_s)
        except (EnvelopeTooLarge, EnvelopeRefused) as exc:
            # The counters are what did not fit; without them a retry would never end.
            await self._consumer.dead_letter(delivery, f"cannot be retried: {exc}")
        else:
            await self._consumer.ack(delivery)

    async def _without_dead_letter_queue(
        self, delivery: Delivery, reason: str, fallback: Send | None, work: Work | None
    ) -> None:
        """A queue of Asya 0.1.1's operator may have no DLQ; error-end keeps the envelope then."""
        if fallback is not None:
            await self.send_all((fallback,))
            await self._consumer.ack(delivery)
            return
        told = {**about(work, self._hop.actor), "queue": self._queue, "reason": reason}
        log.error("no dead letter queue, delivery released", extra=told)
        await self._consumer.release(delivery, LONGEST_PAUSE_S)

    async def _send(self, send: Send, trail: Trail | None = None) -> None:
        queue, started_s = self._hop.queue_names.queue(send.actor), time.monotonic()
        growing = pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            try:
                delay_s = min(send.delay_s, self._transport.max_delay_s)
                await self._transport.send(queue, await self._admission.lighten(send.body), delay_s=delay_s)
            except AWAY as exc:
                patience_s = MISSING_PATIENCE_S if isinstance(exc, QueueMissing) else SEND_PATIENCE_S
                tries = exc.retryable or isinstance(exc, QueueMissing)
                pause_s = next(growing)
                if not tries or time.monotonic() - started_s + pause_s > patience_s:
                    raise
                await asyncio.sleep(pause_s)
            else:
                took_s = time.monotonic() - started_s
                self._metrics.sent(queue, send.kind, len(send.body), took_s)
                if trail is not None and trail.recorded:
                    end_s = time.time()
                    trail.sends.append(Sent(queue, len(send.body), end_s - took_s, end_s, send.links))
                return
