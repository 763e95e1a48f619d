"""What stands between a delivery and the handler: the envelope's rules, and whether anybody still wants it."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Final

from asya_protocol.errors import StoreUnavailable
from asya_sidecar.core.actions import Decision
from asya_sidecar.core.cancels import lineage
from asya_sidecar.core.decide import cancelled
from asya_sidecar.core.work import Hop, Work, admit
from asya_store.cancels import CancelList

log: Final = logging.getLogger(__name__)


class Gate:
    """Admits envelopes for one actor."""

    def __init__(self, hop: Hop, cancels: CancelList | None = None, listen_s: float | None = None) -> None:
        self._hop = hop
        self._cancels = cancels
        self.listen_s = listen_s if cancels is not None and not hop.is_end_actor else None
        """Seconds between two looks at the list of cancels; none where there is none."""
        self._looked_s = 0.0

    async def admit(self, body: bytes) -> Work | Decision:
        """Check one delivery's bytes.

        Returns:
            Work to run, or the decision for what must not be run here.
        """
        admitted = admit(body, self._hop, datetime.now(UTC))
        if self.listen_s is None or isinstance(admitted, Decision):
            return admitted
        if time.monotonic() - self._looked_s > self.listen_s:
            await self.refresh()
        if self.is_cancelled(admitted):
            return cancelled(admitted, self._hop)
        return admitted

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
        if not self._cancels:  # none, or an empty list
            return False
        return any(name in self._cancels for name in lineage(work.envelope))
