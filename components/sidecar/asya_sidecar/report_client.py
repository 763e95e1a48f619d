"""HTTP requests to the gateway, and what its answers mean. Blocking: the reporter calls it in threads."""

import logging
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final
from urllib.parse import quote

import msgspec

from asya_protocol.pieces import PieceBatch, PiecesBody
from asya_protocol.reports import BatchAnswer, BatchBody, BatchEntry, FinalBody
from asya_sidecar.core.actions import Report

log: Final = logging.getLogger(__name__)

TIMEOUT_S: Final = 5.0
_DONE: Final = frozenset({200, 201, 202, 204})
_POINTLESS: Final = frozenset({400, 404, 409, 410, 422})
"""The gateway has an opinion that trying again will not change, e.g. 404: the envelope was not made through it."""
_UNKNOWN: Final = 404
_TOO_LARGE: Final = 413


class Verdict(Enum):
    """What became of one report."""

    TAKEN = auto()
    UNKNOWN = auto()
    """The gateway knows no such envelope."""
    POINTLESS = auto()
    TOO_LARGE = auto()
    FAILED = auto()
    """Perhaps it goes better next time."""


class GatewayClient:
    """The routes that sidecars use.

    Args:
        url: Where the gateway is.
        token: Bearer token, or ``None``.
        connections: Requests at the same time.
    """

    def __init__(self, url: str, token: str | None, *, connections: int) -> None:
        import urllib3  # Half of a start's imports, and most sidecars report to nobody.

        self._url = url
        self._failed = urllib3.exceptions.HTTPError
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._http = urllib3.PoolManager(timeout=TIMEOUT_S, retries=False, maxsize=connections)

    def send(self, kind: str, report: Report, body: msgspec.Struct | None = None) -> tuple[Verdict, str]:
        """Post one report; what became of it, and what went wrong."""
        # The id is a path segment of a URL and producers choose ids freely.
        path = "/envelopes" if kind == "child" else f"/envelopes/{quote(report.envelope_id, safe='')}/{kind}"
        verdict, problem, _ = self._post(path, report.body if body is None else body)
        return verdict, problem

    def send_batch(self, reports: Sequence[Report]) -> tuple[Verdict, str, list[Verdict]]:
        """Post progress and children in one request, to be taken in their order.

        Returns:
            What became of the request, what went wrong, and of a request that was taken what became of each report. The
            gateway of Asya 0.1.1 has no such route, which is ``UNKNOWN``.
        """
        entries = [
            BatchEntry(each.kind, each.envelope_id, msgspec.Raw(msgspec.json.encode(each.body)))
            for each in reports
            if each.kind != "final"
        ]
        return self._post_many("/reports", BatchBody(entries), len(reports))

    def send_pieces(self, batches: Sequence[PieceBatch]) -> tuple[Verdict, str, list[Verdict]]:
        """Post pieces of streams in one request, to be taken in their order; returns as ``send_batch``."""
        return self._post_many("/pieces", PiecesBody(list(batches)), len(batches))

    def conclude(self, report: Report) -> tuple[Verdict, str]:
        """Send a final report: without its bulk where that is too much, after its child report where that is missing."""
        verdict, problem = self.send("final", report)
        if verdict is Verdict.UNKNOWN and report.child is not None:
            # The report about the fan-out is still on its way, or was lost; this one must not be.
            created, trouble = self.send("child", report, report.child)
            if created is not Verdict.TAKEN:
                return created, trouble
            verdict, problem = self.send("final", report)
        if verdict is Verdict.TOO_LARGE and isinstance(report.body, FinalBody):
            log.warning("result is too large for the gateway", extra={"envelope_id": report.envelope_id})
            slim = msgspec.structs.replace(report.body, result=msgspec.UNSET, error_details=msgspec.UNSET)
            verdict, problem = self.send("final", report, slim)
            verdict = Verdict.POINTLESS if verdict is Verdict.TOO_LARGE else verdict
        return verdict, problem

    def close(self) -> None:
        """Close its sockets."""
        self._http.clear()

    def _post_many(self, path: str, body: msgspec.Struct, count: int) -> tuple[Verdict, str, list[Verdict]]:
        verdict, problem, content = self._post(path, body)
        if verdict is not Verdict.TAKEN:
            return verdict, problem, []
        try:
            statuses = msgspec.json.decode(content, type=BatchAnswer).statuses
        except msgspec.MsgspecError as exc:
            return Verdict.POINTLESS, str(exc), []
        if len(statuses) != count:
            return Verdict.POINTLESS, f"{len(statuses)} statuses for {count} of {path}", []
        return verdict, "", [judge(status) for status in statuses]

    def _post(self, path: str, body: msgspec.Struct) -> tuple[Verdict, str, bytes]:
        try:
            answer = self._http.request("POST", self._url + path, body=msgspec.json.encode(body), headers=self._headers)
        except self._failed as exc:
            return Verdict.FAILED, str(exc), b""
        verdict = judge(answer.status)
        return verdict, "" if verdict is Verdict.TAKEN else f"status {answer.status}", answer.data


def judge(status: int) -> Verdict:
    """What an HTTP status says of a report."""
    if status in _DONE:
        return Verdict.TAKEN
    if status == _UNKNOWN:
        return Verdict.UNKNOWN
    if status == _TOO_LARGE:
        return Verdict.TOO_LARGE
    return Verdict.POINTLESS if status in _POINTLESS else Verdict.FAILED
