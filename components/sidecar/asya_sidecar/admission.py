"""What stands between queue and handler, both ways: an envelope's rules, cancels, duplicates, payloads in the store, limits.

In: ``let_in``. Out: ``let_go`` once the outputs are confirmed, ``redeem`` once the delivery is acknowledged; ``lighten`` for
every envelope that leaves.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Final

from asya_protocol import names
from asya_protocol.claim import read_claim
from asya_protocol.envelope import ancestors
from asya_protocol.errors import InvalidEnvelope, StoreUnavailable
from asya_sidecar.core.about import about
from asya_sidecar.core.actions import Ack, Decision, Release
from asya_sidecar.core.admit import Hop, Work, admit, refuse, refused_at_end, with_payload
from asya_sidecar.core.decide import cancelled
from asya_sidecar.core.waits import not_yet
from asya_sidecar.dedup import Dedup
from asya_sidecar.limits import Limits
from asya_sidecar.metrics import Metrics
from asya_store.cancel_list import CancelList
from asya_store.claims import ClaimCheck, ClaimLost, ClaimRedeemed
from asya_store.dedup_port import Verdict

log: Final = logging.getLogger(__name__)

AWAY_PAUSE_S: Final = 5.0
"""Before a delivery comes again whose payload could not be read because the store was away."""
BUSY_PAUSE_S: Final = 2.0
"""Before a duplicate is looked at again whose twin is being worked on."""
STALE_LOOKS: Final = 2
"""While there is work the list of cancels is looked at in the background; one that old means that there was none."""
NO_DESK: Final = (
    "payload was left in the object store, and this actor's sidecar has none; set ASYA_S3_BUCKET or ASYA_STORE_URL"
)


class Admission:
    """Lets one actor's envelopes in and out."""

    def __init__(
        self,
        hop: Hop,
        *,
        cancels: CancelList | None = None,
        listen_s: float | None = None,
        claims: ClaimCheck | None = None,
        dedup: Dedup | None = None,
        limits: Limits | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._hop = hop
        self._cancels = cancels
        self._claims = claims
        self._dedup = dedup
        self._limits = limits
        self._metrics = metrics
        listens = cancels is not None and not hop.is_end_actor and not hop.is_collector
        self.listen_s = listen_s if listens else None
        """Seconds between two looks at the list of cancels; ``None`` where there is none.

        A collector must hear of its cancelled children; what it joins is looked at by the next hop.
        """
        self._looked_s = 0.0

    async def let_in(self, body: bytes) -> Work | Decision:
        """Check one delivery's bytes.

        Returns:
            Work to run, or the decision for what must not be run here.
        """
        admitted = admit(body, self._hop, datetime.now(UTC))
        if isinstance(admitted, Decision):
            return admitted
        if self.listen_s is not None:
            if time.monotonic() - self._looked_s > STALE_LOOKS * self.listen_s:
                await self.refresh()
            if self.is_cancelled(admitted):
                return cancelled(admitted, self._hop)
        if (waiting := not_yet(admitted, self._hop, datetime.now(UTC))) is not None:
            return waiting
        if self._dedup is not None:
            refused = await self._ask(self._dedup, admitted)
            if refused is not None:
                return refused
        if names.HEADER_CLAIM in admitted.envelope.headers:
            work: Work | Decision | None = None
            try:
                work = await self._fetch(admitted)
            finally:
                if not isinstance(work, Work):
                    await self.let_go(admitted, None)
            if isinstance(work, Decision):
                return work
            admitted = work
        return admitted if self._limits is None else await self._ask_limits(self._limits, admitted)

    async def let_go(self, work: Work, decision: Decision | None) -> None:
        """Remember what is done, so that a duplicate of it is dropped. Never raises.

        Args:
            work: What was let in.
            decision: What was performed, every output confirmed; ``None`` when nothing was done.
        """
        if self._limits is not None:
            await self._limits.end(work, decision)
        if self._dedup is not None:
            await self._dedup.end(work, decision)

    async def redeem(self, work: Work) -> None:
        """The delivery is gone, so its payload's place in the store is free. Never raises."""
        if self._claims is not None and work.claim is not None:
            try:
                await asyncio.to_thread(self._claims.redeem, work.claim)
            except Exception as exc:  # noqa: BLE001 - the delivery is acknowledged: no failure may make it run again
                told = {**about(work, self._hop.actor), "error": str(exc), "key": work.claim.key}
                log.warning("claim not redeemed", extra=told)

    async def lighten(self, body: bytes) -> bytes:
        """What is to be sent: the envelope, or one with a claim where it is too large.

        Raises:
            StoreUnavailable: Its payload could not be left in the store.
        """
        if self._claims is None or len(body) <= self._claims.over_bytes:
            return body
        light = await asyncio.to_thread(self._claims.leave, body)
        if self._metrics is not None and light is not body:
            self._metrics.claim_left(len(body) - len(light))
        return light

    async def keep(self) -> None:
        """Hold what was let in, for as long as it takes."""
        await asyncio.gather(*(part.keep() for part in (self._dedup, self._limits) if part is not None))

    async def close(self) -> None:
        """Let go of what is still held, so that another replica need not wait for it."""
        for part in (self._limits, self._dedup):
            if part is not None:
                await part.close()

    async def _ask(self, dedup: Dedup, work: Work) -> Decision | None:
        try:
            verdict = await dedup.begin(work)
        except StoreUnavailable as exc:
            return Decision(Release(AWAY_PAUSE_S), "released", failed_reason="store_error", cause=str(exc))
        match verdict:
            case Verdict.DONE:
                return Decision(Ack(), "duplicate", cause="done before, within the dedup window", about=work.envelope)
            case Verdict.BUSY:
                return Decision(Release(BUSY_PAUSE_S), "released", cause="another delivery of it is being worked on")
        return None

    async def _ask_limits(self, limits: Limits, work: Work) -> Work | Decision:
        """Last of all: what has to wait for a limit must be worth the wait."""
        limited: Work | Decision | None = None
        try:
            limited = await limits.begin(work)
            return limited
        finally:
            if not isinstance(limited, Work):
                await self.let_go(work, None)

    async def refresh(self) -> bool:
        """Look at the list of cancels; whether it holds any. A store that is away leaves what is known."""
        assert self._cancels is not None  # noqa: S101 - listen_s says so
        self._looked_s = time.monotonic()
        try:
            await asyncio.to_thread(self._cancels.refresh)
        except StoreUnavailable as exc:
            log.warning("list of cancels not read", extra={"error": str(exc)})
        return bool(self._cancels)

    def is_cancelled(self, work: Work) -> bool:
        """Whether the envelope, or one that it came from, was cancelled."""
        if not self._cancels:  # ``None``, or an empty list
            return False
        return any(name in self._cancels for name in (work.envelope.id, *ancestors(work.envelope)))

    async def _fetch(self, work: Work) -> Work | Decision:
        if self._claims is None:
            return self._refuse(work, NO_DESK)
        try:
            claim = read_claim(work.envelope.headers, work.envelope.id)
            if claim is None:
                return work
            payload = await asyncio.to_thread(self._claims.fetch, claim)
            if self._metrics is not None:
                self._metrics.claim_fetched(len(payload))
            return with_payload(work, claim, payload)
        except StoreUnavailable as exc:
            return Decision(Release(AWAY_PAUSE_S), "released", failed_reason="store_error", cause=str(exc))
        except ClaimRedeemed as exc:
            return Decision(Ack(), "duplicate", cause=f"payload was used and given up: {exc}", about=work.envelope)
        except (ClaimLost, InvalidEnvelope) as exc:
            return self._refuse(work, str(exc))

    def _refuse(self, work: Work, text: str) -> Work | Decision:
        if self._hop.actor == self._hop.error_end:
            return refused_at_end(work, self._hop, text)
        return refuse(work.envelope, self._hop, text, "claim_lost")
