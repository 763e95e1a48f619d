"""The gateway's metrics, each said once; names of our own. Pure.

Label values are bounded: tools, routes, fixed words; never an id.
"""

from typing import Final

from asya_process.metric import Metric

STORE_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
REQUEST_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LAG_BUCKETS_S: Final = (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)

CALLS: Final = Metric(
    "calls_total",
    "counter",
    "Tool calls; outcome is sent, repeated, invalid, wrong_route, not_sent, store_away or unknown_tool.",
    ("tool", "outcome"),
    "calls",
)
REPORTS: Final = Metric(
    "reports_total",
    "counter",
    "Reports taken; outcome is changed, late, unknown or not_shown.",
    ("kind", "outcome"),
    "reports",
)
REPORT_LAG: Final = Metric(
    "report_lag_seconds",
    "histogram",
    "From the end of an envelope, as its final report says, to the moment at which the report was taken.",
    (),
    "s",
    LAG_BUCKETS_S,
)
PIECES: Final = Metric(
    "pieces_total",
    "counter",
    "Pieces of handlers' streams; outcome is taken, lost (on their way), forgotten (for want of room) or not_shown.",
    ("outcome",),
    "pieces",
)
TIMED_OUT: Final = Metric("timed_out_total", "counter", "Envelopes failed at their deadline.", (), "envelopes")
STREAMS: Final = Metric(
    "open_streams",
    "gauge",
    "Answers that are held open; kind is events, feed, mcp, pieces or wait.",
    ("kind",),
    "answers",
)
REQUESTS: Final = Metric(
    "http_requests_total", "counter", "Requests answered.", ("route", "method", "code"), "requests"
)
REQUEST: Final = Metric(
    "http_request_duration_seconds",
    "histogram",
    "From the request to the start of its answer.",
    ("route",),
    "s",
    REQUEST_BUCKETS_S,
)
STORE: Final = Metric(
    "store_duration_seconds",
    "histogram",
    "One call of the envelope store.",
    ("operation",),
    "s",
    STORE_BUCKETS_S,
)
STORE_ERRORS: Final = Metric(
    "store_errors_total", "counter", "Calls that the store did not serve.", ("operation",), "calls"
)
REFUSED: Final = Metric(
    "refused_total",
    "counter",
    "Requests turned away; reason is unauthorized or rate_limited.",
    ("reason",),
    "requests",
)
TOOLS: Final = Metric("tools", "gauge", "Tools that can be called.", (), "tools")
TOOL_RELOADS: Final = Metric(
    "tool_reloads_total", "counter", "Tool files read anew; result is changed or failed.", ("result",), "reads"
)
TOOLS_STALE: Final = Metric(
    "tools_stale", "gauge", "1 while the tool files are broken and the last good ones serve.", (), "gateways"
)
CERTIFICATE_ENDS: Final = Metric(
    "certificate_ends_timestamp_seconds",
    "gauge",
    "Until when the certificate for HTTPS is good, in seconds since 1970; absent without one.",
    ("subject",),
    "s",
)
CALLBACKS: Final = Metric(
    "callbacks_total",
    "counter",
    "Attempts to tell the end of an envelope by a callback; outcome is delivered, again (tried again later) or dead.",
    ("outcome",),
    "attempts",
)
CALLBACKS_KEPT: Final = Metric(
    "callbacks_kept",
    "gauge",
    "Callbacks in the store, the same at each replica; state is waiting or dead.",
    ("state",),
    "callbacks",
)

TABLE: Final = (
    CALLS,
    REPORTS,
    REPORT_LAG,
    PIECES,
    TIMED_OUT,
    STREAMS,
    REQUESTS,
    REQUEST,
    STORE,
    STORE_ERRORS,
    REFUSED,
    TOOLS,
    TOOL_RELOADS,
    TOOLS_STALE,
    CERTIFICATE_ENDS,
    CALLBACKS,
    CALLBACKS_KEPT,
)
