"""Reports to the gateway, when one is configured: progress in the background, final reports before the settlement.

Progress and child reports never delay a handler: they wait in a bounded queue and one task sends them in order; when the
gateway is slow or away the oldest are dropped. A final report raises when it could not be delivered, so that the delivery
stays unacknowledged. The gateway being away at the start is no reason not to work.
"""

import asyncio
import logging
from collections import deque
from typing import Final
from urllib.parse import quote

import msgspec
import urllib3

from asya_sidecar.core.actions import Report

log: Final = logging.getLogger(__name__)

QUEUE_LIMIT: Final = 10_000
"""Progress reports kept while the gateway is slow; a few MiB at most."""
FINAL_ATTEMPTS: Final = 5
TIMEOUT_S: Final = 5.0
PAUSE_S: Final = 0.2
_DONE: Final = frozenset({200, 201, 202, 204})
_POINTLESS: Final = frozenset({400, 404, 409, 410, 422})
"""The gateway has an opinion that trying again will not change, e.g. 404: the envelope was not made through it."""


class GatewayAway(Exception):
    """A final report could not be delivered."""


class GatewayReporter:
    """Client of one gateway."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._http = urllib3.PoolManager(timeout=TIMEOUT_S, retries=False, maxsize=4)
        self._waiting: deque[Report] = deque()
        self._wake = asyncio.Event()
        self._dropped = 0

    def post(self, report: Report) -> None:
        """Queue a progress or child report; returns at once."""
        if len(self._waiting) >= QUEUE_LIMIT:
            self._waiting.popleft()
            self._dropped += 1
            if self._dropped % 1000 == 1:
                log.warning("gateway too slow, progress reports dropped", extra={"dropped": self._dropped})
        self._waiting.append(report)
        self._wake.set()

    async def deliver(self, report: Report) -> None:
        """Deliver a final report.

        Raises:
            GatewayAway: It was not taken after several attempts.
        """
        problem = ""
        for attempt in range(FINAL_ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE_S * 2**attempt)
            problem = await asyncio.to_thread(self._send, report)
            if not problem:
                return
        raise GatewayAway(f"gateway did not take the final report: {problem}")

    async def run(self) -> None:
        """Send queued reports, in order, until cancelled."""
        while True:
            while self._waiting:
                report = self._waiting.popleft()
                problem = await asyncio.to_thread(self._send, report)
                if problem:
                    log.debug("progress report lost", extra={"envelope_id": report.envelope_id, "problem": problem})
                    await asyncio.sleep(PAUSE_S)
            self._wake.clear()
            if not self._waiting:
                await self._wake.wait()

    def _send(self, report: Report) -> str:
        """Post one report; empty when the gateway took it or never will, else what went wrong."""
        # The id is a path segment of a URL and producers choose ids freely.
        segment = quote(report.envelope_id, safe="")
        paths = {"progress": f"/envelopes/{segment}/progress", "final": f"/envelopes/{segment}/final"}
        path = paths.get(report.kind, "/envelopes")
        try:
            answer = self._http.request(
                "POST",
                self._url + path,
                body=msgspec.json.encode(report.body),
                headers=self._headers,
            )
        except urllib3.exceptions.HTTPError as exc:
            return str(exc)
        if answer.status in _DONE or answer.status in _POINTLESS:
            return ""
        return f"status {answer.status}"
