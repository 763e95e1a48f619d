"""Reports to the gateway, when one is configured: progress in the background, final reports before the settlement.

Progress and child reports never delay a handler: they wait in a bounded backlog, and one task sends them, many in one request
where the gateway takes that, at a pace that leaves the processor to envelopes. A final report is tried for a while as its
delivery stays unacknowledged, and raises when it was not taken, so that the envelope comes again. When the gateway has been
away for ten seconds nobody waits for it any more: one report a second asks, the others raise at once, and end actors go on
with their work. Requests run in threads of their own: a gateway that hangs takes none from the rest of the sidecar. It being
away at the start is no reason not to work.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from asya_process.backoff import pauses
from asya_sidecar.core.actions import Report
from asya_sidecar.core.report_backlog import Backlog, Waiting
from asya_sidecar.metrics import Metrics
from asya_sidecar.report_client import GatewayClient, Verdict

log: Final = logging.getLogger(__name__)

FINAL_PATIENCE_S: Final = 60.0
"""How long one delivery waits for its final report; the lease is extended meanwhile."""
AWAY_AFTER_S: Final = 10.0
"""After so long without an accepted report the gateway counts as away; its restart takes less."""
PROBE_S: Final = 1.0
SOONEST_S: Final = 5.0
LATEST_S: Final = 60.0
"""Bounds of the time after which an envelope comes again: half as long as the gateway has been away."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
FINAL_THREADS: Final = 4
AT_ONCE: Final = 4
"""Progress reports side by side, where each is a request: a gateway some milliseconds away still takes hundreds a second."""
BATCH: Final = 100
"""Progress reports in one request, where the gateway takes several."""
REQUESTS_PER_S: Final = 250.0
"""Requests with progress a second at most: each costs about a third of a millisecond of this process's only processor."""
BATCHED_PER_S: Final = 500.0
"""Progress reports a second at most that go in batches: each costs the gateway two statements."""
CLOSE_LIMIT_S: Final = 2.0
"""How long a sidecar that ends goes on telling what it has done."""
UNKNOWN_LIMIT: Final = 10_000
"""Ids remembered that the gateway does not know."""


class GatewayAway(Exception):
    """A final report could not be delivered.

    Attributes:
        again_s: When to try again.
    """

    def __init__(self, problem: str, again_s: float = SOONEST_S) -> None:
        super().__init__(f"gateway did not take the final report: {problem}")
        self.again_s = again_s


class GatewayReporter:
    """Client of one gateway.

    Args:
        url: Where it is.
        token: Bearer token, or ``None``.
        metrics: Told what becomes of reports.
        per_s: Requests with progress a second at most.
    """

    def __init__(
        self, url: str, token: str | None = None, metrics: Metrics | None = None, *, per_s: float = REQUESTS_PER_S
    ) -> None:
        self._url = url
        self._client = GatewayClient(url, token, connections=FINAL_THREADS + AT_ONCE)
        self._batch = BATCH
        self._finals = ThreadPoolExecutor(FINAL_THREADS, "final-report")
        self._others = ThreadPoolExecutor(AT_ONCE, "report")
        self._backlog = Backlog()
        self._unknown: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._metrics = metrics
        self._per_s = per_s
        self._failing_since_s: float | None = None
        self._probed_s = 0.0
        self._problem = self._complaint = ""

    @property
    def waiting(self) -> int:
        """Reports in the backlog."""
        return len(self._backlog)

    def post(self, report: Report) -> None:
        """Queue a progress or child report; returns at once."""
        if report.kind == "progress" and report.envelope_id in self._unknown:
            return
        self._backlog.add(report)
        self._wake.set()

    async def deliver(self, report: Report, *, patience_s: float = FINAL_PATIENCE_S) -> None:
        """Deliver a final report.

        Raises:
            GatewayAway: It was not taken in time, or the gateway is known to be away.
        """
        loop = asyncio.get_running_loop()
        deadline_s, growing = loop.time() + patience_s, pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            self._raise_if_away(loop.time())
            verdict, problem = await loop.run_in_executor(self._finals, self._client.conclude, report)
            if verdict is not Verdict.FAILED:
                self._count("final", _WORDS[verdict])
                self._failing_since_s = None
                return
            self._count("final", "failed")
            now_s = loop.time()
            if self._failing_since_s is None:
                self._failing_since_s, self._complaint = now_s, ""
            kind = problem if problem.startswith("status") else "no answer"
            if kind != self._complaint:  # said once for each cause, not for each of thousands of envelopes
                self._complaint = kind
                log.error("final report not taken, trying on", extra={"gateway": self._url, "problem": problem})
            self._problem = problem
            pause_s = next(growing)
            if now_s + pause_s > deadline_s or self._away_s(now_s) >= AWAY_AFTER_S:
                raise GatewayAway(problem, self._again_s(now_s))
            await asyncio.sleep(pause_s)

    def _raise_if_away(self, now_s: float) -> None:
        """Let one report a second ask whether a gateway that was away is back."""
        if self._away_s(now_s) < AWAY_AFTER_S:
            return
        if now_s - self._probed_s < PROBE_S:
            raise GatewayAway(self._problem, self._again_s(now_s))
        self._probed_s = now_s

    def _away_s(self, now_s: float) -> float:
        return 0.0 if self._failing_since_s is None else now_s - self._failing_since_s

    def _again_s(self, now_s: float) -> float:
        return min(max(self._away_s(now_s) / 2, SOONEST_S), LATEST_S)

    async def run(self) -> None:
        """Send what waits until cancelled."""
        growing = pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            self._wake.clear()
            if not self._backlog:
                await self._wake.wait()
            if (rest_s := await self._send_some()) is not None:
                growing = pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
                await asyncio.sleep(rest_s)
            else:
                await asyncio.sleep(next(growing))

    async def close(self) -> None:
        """Send what still waits, for a little while, and end the threads."""
        try:
            async with asyncio.timeout(CLOSE_LIMIT_S):
                while self._backlog and await self._send_some() is not None:
                    pass
        except TimeoutError:
            pass
        if self._backlog:
            log.info("reports given up at the end", extra={"count": len(self._backlog)})
        for pool in (self._finals, self._others):
            pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def _send_some(self) -> float | None:
        """Send the next few; seconds to rest for the sake of envelopes, ``None`` when the gateway failed."""
        if self._batch > 1 and len(self._backlog) > 1:
            return await self._send_batch()
        loop = asyncio.get_running_loop()
        entries = self._backlog.take(AT_ONCE)
        sending = [
            loop.run_in_executor(self._others, self._client.send, entry.report.kind, entry.report) for entry in entries
        ]
        answers = [await answered for answered in sending]
        return len(entries) / self._per_s if self._note(entries, answers) else None

    async def _send_batch(self) -> float | None:
        """Send many in one request; the first that a gateway refuses as such is the last, or the last of its size."""
        loop = asyncio.get_running_loop()
        entries = self._backlog.take_in_order(self._batch)
        reports = [entry.report for entry in entries]
        verdict, problem, each = await loop.run_in_executor(self._others, self._client.send_batch, reports)
        if verdict is Verdict.TAKEN:
            answers = [(found, problem) for found in each]
        elif verdict is Verdict.FAILED:
            answers = [(Verdict.FAILED, problem)] * len(entries)
        else:
            self._batch = self._batch // 2 if verdict is Verdict.TOO_LARGE else 0
            self._backlog.take_back(entries, tried=False)
            log.info("gateway takes no such batch of reports", extra={"problem": problem, "batch": self._batch})
            return 0.0
        rest_s = max(1 / self._per_s, len(entries) / BATCHED_PER_S)
        return rest_s if self._note(entries, answers) else None

    def _note(self, entries: list[Waiting], answers: list[tuple[Verdict, str]]) -> bool:
        """Note what became of reports; whether the gateway took each or never will."""
        failed = []
        for entry, (verdict, problem) in zip(entries, answers, strict=True):
            report = entry.report
            if verdict is Verdict.FAILED:
                failed.append(entry)
                log.debug("report not taken", extra={"envelope_id": report.envelope_id, "problem": problem})
            elif verdict is Verdict.UNKNOWN:
                self._note_unknown(report.envelope_id)
            self._count(report.kind, _WORDS[verdict])
        self._backlog.take_back(failed)
        if self._metrics is not None:
            self._metrics.reports_waiting(len(self._backlog), self._backlog.coalesced, self._backlog.dropped)
        return not failed

    def _note_unknown(self, envelope_id: str) -> None:
        """Say no more about an envelope that was sent past the gateway."""
        if len(self._unknown) >= UNKNOWN_LIMIT:
            del self._unknown[next(iter(self._unknown))]
        self._unknown[envelope_id] = None
        self._backlog.forget(envelope_id)

    def _count(self, kind: str, result: str) -> None:
        if self._metrics is not None:
            self._metrics.reported(kind, result)


_WORDS: Final = {
    Verdict.TAKEN: "delivered",
    Verdict.UNKNOWN: "refused",
    Verdict.POINTLESS: "refused",
    Verdict.TOO_LARGE: "refused",
    Verdict.FAILED: "failed",
}
