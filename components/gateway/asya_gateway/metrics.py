"""One gateway's Prometheus metrics. Label values are bounded: existing tools, routes, fixed words; never an id."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

STORE_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
REQUEST_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters and gauges of one gateway process."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, namespace="asya_gateway", registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, namespace="asya_gateway", registry=self.registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, namespace="asya_gateway", registry=self.registry, buckets=buckets)

        self.calls: Final = counter(
            "calls_total",
            "Tool calls; outcome is sent, repeated, invalid, wrong_route, not_sent, store_away or unknown_tool.",
            "tool",
            "outcome",
        )
        self.reports: Final = counter(
            "reports_total", "Reports taken; outcome is changed, late or unknown.", "kind", "outcome"
        )
        self.timed_out: Final = counter("timed_out_total", "Envelopes failed at their deadline.")
        self.streams: Final = gauge(
            "open_streams", "Answers that are held open; kind is events, feed, mcp or wait.", "kind"
        )
        self.requests: Final = counter("http_requests_total", "Requests answered.", "route", "method", "code")
        self.request_seconds: Final = histogram(
            "http_request_duration_seconds", "From the request to the start of its answer.", REQUEST_BUCKETS_S, "route"
        )
        self.store_seconds: Final = histogram(
            "store_duration_seconds", "One call of the envelope store.", STORE_BUCKETS_S, "operation"
        )
        self.store_errors: Final = counter("store_errors_total", "Calls that the store did not serve.", "operation")
        self.refused: Final = counter(
            "refused_total", "Requests turned away; reason is unauthorized or rate_limited.", "reason"
        )
        self.tools: Final = gauge("tools", "Tools that can be called.")
        self.tool_reloads: Final = counter(
            "tool_reloads_total", "Tool files read anew; result is changed or failed.", "result"
        )
        self.tools_stale: Final = gauge(
            "tools_stale", "1 while the tool files are broken and the last good ones serve."
        )

    def page(self) -> bytes:
        """Write them in Prometheus' text format."""
        return generate_latest(self.registry)
