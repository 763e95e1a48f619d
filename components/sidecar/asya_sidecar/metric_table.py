"""The sidecar's metrics, each said once. Those of Asya 0.1.1 keep its names, labels and buckets. Pure.

``queue`` holds the actor's name, as in Asya 0.1.1; ``destination_queue`` is a queue's full name.
"""

from typing import Final

from asya_process.metric import CALL_BUCKETS_S, Metric

RECEIVE_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)
SEND_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5)
SIZE_BUCKETS_BYTES: Final = tuple(100.0 * 10**power for power in range(8))
WAIT_BUCKETS_S: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400)
"""An envelope may wait in a queue for as long as nobody scales its actor up."""

RECEIVED: Final = Metric(
    "messages_received_total", "counter", "Envelopes received.", ("queue", "transport"), "envelopes"
)
PROCESSED: Final = Metric(
    "messages_processed_total",
    "counter",
    "Envelopes processed; status is success, empty_response, end_consumed, collected, cancelled, duplicate or retried.",
    ("queue", "status"),
    "envelopes",
)
SENT: Final = Metric(
    "messages_sent_total",
    "counter",
    "Envelopes sent and confirmed; message_type is routing, happy_end, error_end or notice.",
    ("destination_queue", "message_type"),
    "envelopes",
)
FAILED: Final = Metric(
    "messages_failed_total",
    "counter",
    "Envelopes failed for good; reason says why.",
    ("queue", "reason"),
    "envelopes",
)
RUNTIME_ERRORS: Final = Metric(
    "runtime_errors_total", "counter", "Failed handler calls.", ("queue", "error_type"), "calls"
)
PROCESSING: Final = Metric(
    "processing_duration_seconds", "histogram", "From receipt to settlement.", ("queue",), "s", CALL_BUCKETS_S
)
RUNTIME: Final = Metric(
    "runtime_execution_duration_seconds", "histogram", "One handler call.", ("queue",), "s", CALL_BUCKETS_S
)
RECEIVE: Final = Metric(
    "queue_receive_duration_seconds",
    "histogram",
    "One receive call that brought something.",
    ("queue", "transport"),
    "s",
    RECEIVE_BUCKETS_S,
)
SEND: Final = Metric(
    "queue_send_duration_seconds",
    "histogram",
    "One confirmed send.",
    ("destination_queue", "transport"),
    "s",
    SEND_BUCKETS_S,
)
SIZE: Final = Metric(
    "envelope_size_bytes",
    "histogram",
    "Size of an envelope; direction is received or sent.",
    ("direction",),
    "bytes",
    SIZE_BUCKETS_BYTES,
)
ACTIVE: Final = Metric("active_messages", "gauge", "Envelopes in hand, received and not settled.", (), "envelopes")

WAITED: Final = Metric(
    "queue_wait_seconds",
    "histogram",
    "From the send of an envelope to its receipt, where the broker tells when it was sent.",
    ("queue",),
    "s",
    WAIT_BUCKETS_S,
)
OLDEST: Final = Metric(
    "oldest_received_age_seconds",
    "gauge",
    "Time that the oldest envelope of the last receive had waited.",
    ("queue",),
    "s",
)
ATTEMPTS: Final = Metric(
    "handler_attempts_total",
    "counter",
    "Envelopes handed to the handler; attempt is first or retry.",
    ("queue", "attempt"),
    "envelopes",
)
REDELIVERED: Final = Metric(
    "redeliveries_total",
    "counter",
    "Envelopes received that the broker had handed out before.",
    ("queue",),
    "envelopes",
)
LEASES_EXTENDED: Final = Metric("lease_extensions_total", "counter", "Leases extended.", ("queue",), "leases")
LEASES_LOST: Final = Metric(
    "leases_lost_total",
    "counter",
    "Times at which a delivery turned out to be no longer ours: its envelope is run again elsewhere.",
    ("queue",),
    "leases",
)
BUSY: Final = Metric(
    "handler_busy_seconds_total",
    "counter",
    "Time spent in handler calls, those under way included; its rate over handler_slots is the utilisation.",
    ("queue",),
    "s",
)
SLOTS: Final = Metric("handler_slots", "gauge", "Handler calls that may run at once.", ("queue",), "calls")
CLAIM_BYTES: Final = Metric(
    "claim_bytes_total",
    "counter",
    "Payload bytes by way of the object store; direction is left or fetched.",
    ("queue", "direction"),
    "bytes",
)
COLD_START: Final = Metric(
    "cold_start_seconds",
    "gauge",
    "From this process's start to its first envelope, the time in which the runtime loads included; absent before.",
    ("queue",),
    "s",
)
BROKER_REQUESTS: Final = Metric(
    "broker_requests_total",
    "counter",
    "Requests to a broker that bills them (SQS), retries included, by call.",
    ("queue", "call"),
    "requests",
)
REPORTS: Final = Metric(
    "gateway_reports_total",
    "counter",
    "Reports to the gateway, by kind and by what became of them.",
    ("kind", "result"),
    "reports",
)
REPORTS_WAITING: Final = Metric("gateway_reports_waiting", "gauge", "Reports that wait.", (), "reports")
PIECES: Final = Metric(
    "stream_pieces_total",
    "counter",
    "Pieces of handlers' streams; result is delivered, dropped (no room, no gateway, or one that takes none) or refused.",
    ("queue", "result"),
    "pieces",
)
TOKEN_ENDS: Final = Metric(
    "gateway_token_ends_timestamp_seconds",
    "gauge",
    "Until when the token is good with which a sidecar reports, in seconds since 1970; absent where it does not say (no JWT).",
    ("queue",),
    "s",
)
LIMIT_WAITS: Final = Metric(
    "limit_waits_total",
    "counter",
    "Envelopes that had to wait for a limit; limit is `away` where its state could not be reached.",
    ("queue", "limit"),
    "envelopes",
)
CUSTOM_REFUSED: Final = Metric(
    "custom_metrics_refused_total",
    "counter",
    "Lines of handlers' own metrics that were not taken; reason is line, name, kind, labels, value or full.",
    ("queue", "reason"),
    "lines",
)

TABLE: Final = (
    RECEIVED,
    PROCESSED,
    SENT,
    FAILED,
    RUNTIME_ERRORS,
    PROCESSING,
    RUNTIME,
    RECEIVE,
    SEND,
    SIZE,
    ACTIVE,
    WAITED,
    OLDEST,
    ATTEMPTS,
    REDELIVERED,
    LEASES_EXTENDED,
    LEASES_LOST,
    BUSY,
    SLOTS,
    CLAIM_BYTES,
    COLD_START,
    BROKER_REQUESTS,
    REPORTS,
    REPORTS_WAITING,
    PIECES,
    TOKEN_ENDS,
    LIMIT_WAITS,
    CUSTOM_REFUSED,
)
