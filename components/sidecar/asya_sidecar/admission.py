"""What stands between a delivery and the handler: the envelope's rules, cancels, and the payload's way from the store."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Final

from asya_protocol import names
from asya_protocol.claim import read_claim
from asya_protocol.envelope import lineage
from asya_protocol.errors import InvalidEnvelope, StoreUnavailable
from asya_sidecar.core.actions import Ack, Decision, Release
from asya_sidecar.core.admit import Hop, Work, admit, refuse, refused_at_end, with_payload
from asya_sidecar.core.decide import cancelled
from asya_sidecar.dedup import Dedup
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
    """Admits envelopes for one actor."""

    def __init__(
        self,
        hop: Hop,
        *,
        cancels: CancelList | None = None,
        listen_s: float | None = None,
        claims: ClaimCheck | None = None,
        dedup: Dedup | None = None,
    ) -> None:
        self._hop = hop
        self._cancels = cancels
        self._claims = claims
        self.dedup = dedup
        listens = cancels is not None and not hop.is_end_actor and not hop.is_collector
        self.listen_s = listen_s if listens else None
        """Seconds between two looks at the list of cancels; ``None`` where there is none.

        A collector must hear of its cancelled children; what it joins is looked at by the next hop.
        """
        self._looked_s = 0.0

    async def admit(self, body: bytes) -> Work | Decision:
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
        if self.dedup is not None:
            refused = await self._ask(self.dedup, admitted)
            if refused is not None:
                return refused
        if names.HEADER_CLAIM in admitted.envelope.headers:
            work: Work | Decision | None = None
            try:
                work = await self._fetch(admitted)
                return work
            finally:
                if self.dedup is not None and not isinstance(work, Work):
                    await self.dedup.end(admitted, None)
        return admitted

    async def _ask(self, dedup: Dedup, work: Work) -> Decision | None:
        try:
            verdict = await dedup.begin(work)
        except StoreUnavailable as exc:
            return Decision(Release(AWAY_PAUSE_S), "released", failed_reason="store_error", cause=str(exc))
        match verdict:
            case Verdict.DONE:
                return Decision(Ack(), "duplicate", cause="done before, within the dedup window")
            case Verdict.BUSY:
                return Decision(Release(BUSY_PAUSE_S), "released", cause="another delivery of it is being worked on")
        return None

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
        return any(name in self._cancels for name in lineage(work.envelope))

    async def _fetch(self, work: Work) -> Work | Decision:
        if self._claims is None:
            return self._refuse(work, NO_DESK)
        try:
            claim = read_claim(work.envelope.headers)
            if claim is None:
                return work
            return with_payload(work, claim, await asyncio.to_thread(self._claims.fetch, claim))
        except StoreUnavailable as exc:
            return Decision(Release(AWAY_PAUSE_S), "released", failed_reason="store_error", cause=str(exc))
        except ClaimRedeemed as exc:
            return Decision(Ack(), "duplicate", cause=f"payload was used and given up: {exc}")
        except (ClaimLost, InvalidEnvelope) as exc:
            return self._refuse(work, str(exc))

    def _refuse(self, work: Work, text: str) -> Work | Decision:
        if self._hop.actor == self._hop.error_end:
            return refused_at_end(work, self._hop, text)
        return refuse(work.envelope, self._hop, text, "claim_lost")
