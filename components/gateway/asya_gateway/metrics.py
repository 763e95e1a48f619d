"""One gateway's Prometheus metrics, as ``metric_table`` declares them."""

from typing import Final

from prometheus_client import generate_latest

from asya_gateway import metric_table as table
from asya_process.metrics import Maker

PREFIX: Final = "asya_gateway"


class Metrics:
    """Counters and gauges of one gateway process."""

    def __init__(self) -> None:
        make: Final = Maker(PREFIX)
        self.registry: Final = make.registry
        self.calls: Final = make.counter(table.CALLS)
        self.reports: Final = make.counter(table.REPORTS)
        self.report_lag: Final = make.histogram(table.REPORT_LAG)
        self.pieces: Final = make.counter(table.PIECES)
        self.timed_out: Final = make.counter(table.TIMED_OUT)
        self.streams: Final = make.gauge(table.STREAMS)
        for kind in ("events", "feed", "mcp", "pieces", "wait"):
            self.streams.labels(kind)  # 0 until the first, so that a chart has a line
        self.requests: Final = make.counter(table.REQUESTS)
        self.request_seconds: Final = make.histogram(table.REQUEST)
        self.store_seconds: Final = make.histogram(table.STORE)
        self.store_errors: Final = make.counter(table.STORE_ERRORS)
        self.refused: Final = make.counter(table.REFUSED)
        self.tools: Final = make.gauge(table.TOOLS)
        self.tool_reloads: Final = make.counter(table.TOOL_RELOADS)
        self.tools_stale: Final = make.gauge(table.TOOLS_STALE)
        self._certificate_ends: Final = make.gauge(table.CERTIFICATE_ENDS)
        self.callbacks: Final = make.counter(table.CALLBACKS)
        self.callbacks_kept: Final = make.gauge(table.CALLBACKS_KEPT)

    def show_certificate(self, subject: str, ends_s: float) -> None:
        """The certificate in use, and until when it is good (Unix time)."""
        self._certificate_ends.clear()
        self._certificate_ends.labels(subject).set(ends_s)

    def page(self) -> bytes:
        """Write them in Prometheus' text format."""
        return generate_latest(self.registry)
