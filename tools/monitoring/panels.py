"""The dashboards as values: what each panel asks Prometheus, in which unit, and what its lines are called. Pure data.

``$actor`` is a regular expression of actors, ``$__rate_interval`` Grafana's own. Every expression is run by a test.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart.

    Attributes:
        title: Above it.
        text: What it shows and what it should look like.
        unit: Grafana's name of the unit.
        lines: Expression and legend of each.
    """

    title: str
    text: str
    unit: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard.

    Attributes:
        uid: In its address, and its file's name.
        title: In Grafana's list.
        text: What it is for.
        panels: In reading order.
        by_actor: Whether ``$actor`` can be chosen, and whether several.
    """

    uid: str
    title: str
    text: str
    panels: tuple[Panel, ...]
    by_actor: bool = False


_RATE: Final = "[$__rate_interval]"
_HERE: Final = '{queue=~"$actor"}'


def _rate(metric: str, by: str, where: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{where}{_RATE}))"


def _quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', labels, where)})"


def _both(metric: str, where: str = "", by: str = "") -> tuple[tuple[str, str], ...]:
    name = f"{{{{{by}}}}} " if by else ""
    return tuple((_quantile(share, metric, by, where), f"{name}p{share * 100:g}") for share in (0.5, 0.99))


def _started(what: str) -> str:
    """The median, in the last hour, from a pod's scheduling to the start of one of its parts."""
    metric = f"asya_operator_{what}_start_seconds_bucket"
    return f"histogram_quantile(0.5, sum by (le, queue) (increase({metric}{_HERE}[1h])))"


MESH: Final = Board(
    "asya-mesh",
    "Asya: mesh",
    "Is every actor well, and where does work pile up?",
    (
        Panel(
            "Waiting, by actor",
            "Envelopes in queues. A line that only rises is an actor that is too slow, or stands.",
            "short",
            (("queue:asya_backlog:envelopes", "{{queue}}"),),
        ),
        Panel(
            "Settled, by actor",
            "Envelopes a second that left an actor, however.",
            "ops",
            ((_rate("asya_actor_processing_duration_seconds_count", "queue"), "{{queue}}"),),
        ),
        Panel(
            "Failed, by actor",
            "Share of envelopes that failed for good. Zero is right.",
            "percentunit",
            (("queue:asya_failures:ratio5m", "{{queue}}"),),
        ),
        Panel(
            "Dead letters, by actor",
            "Envelopes that wait for a person. Zero is right.",
            "short",
            (("max by (queue) (asya_operator_dead_letters)", "{{queue}}"),),
        ),
        Panel(
            "Time to drain, by actor",
            "Backlog times the mean call, over the calls that run at once.",
            "s",
            (("queue:asya_drain:seconds", "{{queue}}"),),
        ),
        Panel(
            "Actors by status",
            "Running and Napping are well; docs/operator.md has the others.",
            "short",
            (("max by (status) (asya_operator_actors)", "{{status}}"),),
        ),
    ),
)
ACTOR: Final = Board(
    "asya-actor",
    "Asya: one actor",
    "Why is this actor slow, or why does it fail?",
    (
        Panel(
            "Queue",
            "What waits, what is in work, what is held back.",
            "short",
            ((f"sum by (state) (max by (queue, state) (asya_operator_queue_envelopes{_HERE}))", "{{state}}"),),
        ),
        Panel(
            "Received and settled",
            "Where the first stays above the second, the actor falls behind.",
            "ops",
            (
                (_rate("asya_actor_messages_received_total", "queue", _HERE), "{{queue}} received"),
                (_rate("asya_actor_processing_duration_seconds_count", "queue", _HERE), "{{queue}} settled"),
            ),
        ),
        Panel(
            "Handler call",
            "One call, up to an hour.",
            "s",
            _both("asya_actor_runtime_execution_duration_seconds", _HERE),
        ),
        Panel(
            "Wait in the queue",
            "From the send to the receipt: scaling too late shows here first.",
            "s",
            _both("asya_actor_queue_wait_seconds", _HERE),
        ),
        Panel(
            "Utilisation",
            "Share of handler slots at work. Near 1 with a backlog: more replicas.",
            "percentunit",
            ((f"queue:asya_handler_utilisation:ratio5m{_HERE}", "{{queue}}"),),
        ),
        Panel(
            "Replicas",
            "Ready, desired and the most that scaling may make.",
            "short",
            ((f"max by (kind) (asya_operator_actor_replicas{_HERE})", "{{kind}}"),),
        ),
        Panel(
            "Attempts",
            "First tries and retries; retries that grow are a handler that fails.",
            "ops",
            ((_rate("asya_actor_handler_attempts_total", "attempt", _HERE), "{{attempt}}"),),
        ),
        Panel(
            "Redeliveries and lost leases",
            "Both cost work twice. Lost leases should be zero.",
            "ops",
            (
                (_rate("asya_actor_redeliveries_total", "queue", _HERE), "{{queue}} redelivered"),
                (_rate("asya_actor_leases_lost_total", "queue", _HERE), "{{queue}} lost"),
            ),
        ),
        Panel(
            "Envelopes in hand",
            "Received and not settled, by replica.",
            "short",
            (("sum by (instance) (asya_actor_active_messages)", "{{instance}}"),),
        ),
        Panel(
            "Cold start",
            "From a pod's scheduling to its first envelope, the slowest replica's, and the median to its readiness.",
            "s",
            (
                (
                    f"max by (queue) (asya_actor_cold_start_seconds{_HERE}) + on (queue) {_started('sidecar')}",
                    "{{queue}} first envelope",
                ),
                (_started("pod"), "{{queue}} pod ready"),
            ),
        ),
    ),
    by_actor=True,
)
PIPELINE: Final = Board(
    "asya-pipeline",
    "Asya: one pipeline",
    "Which of the actors of a route holds envelopes up? Choose its actors.",
    (
        Panel(
            "Waiting, by actor",
            "The actor with the tallest line is the narrow one.",
            "short",
            ((f"queue:asya_backlog:envelopes{_HERE}", "{{queue}}"),),
        ),
        Panel(
            "Settled, by actor",
            "Along a route without fan-out the lines lie on each other.",
            "ops",
            ((_rate("asya_actor_processing_duration_seconds_count", "queue", _HERE), "{{queue}}"),),
        ),
        Panel(
            "Time at each actor",
            "Mean wait and mean hop; their sum over the route is the time from end to end.",
            "s",
            tuple(
                (
                    f"{_rate(f'{metric}_sum', 'queue', _HERE)} / ({_rate(f'{metric}_count', 'queue', _HERE)} > 0)",
                    f"{{{{queue}}}} {word}",
                )
                for metric, word in (
                    ("asya_actor_queue_wait_seconds", "wait"),
                    ("asya_actor_processing_duration_seconds", "hop"),
                )
            ),
        ),
        Panel(
            "Sent on",
            "Where envelopes go; error-end is where failures go.",
            "ops",
            (
                (
                    _rate("asya_actor_messages_sent_total", "destination_queue, message_type"),
                    "{{destination_queue}} {{message_type}}",
                ),
            ),
        ),
    ),
    by_actor=True,
)
GATEWAY: Final = Board(
    "asya-gateway",
    "Asya: gateway",
    "Does the gateway answer, and does it hear what becomes of envelopes?",
    (
        Panel(
            "Calls",
            "Tool calls by outcome.",
            "ops",
            ((_rate("asya_gateway_calls_total", "tool, outcome"), "{{tool}} {{outcome}}"),),
        ),
        Panel("Requests", "By status code.", "ops", ((_rate("asya_gateway_http_requests_total", "code"), "{{code}}"),)),
        Panel(
            "Answers",
            "From the request to the start of its answer.",
            "s",
            _both("asya_gateway_http_request_duration_seconds"),
        ),
        Panel(
            "Open streams",
            "Answers held open, by kind.",
            "short",
            (("sum by (kind) (asya_gateway_open_streams)", "{{kind}}"),),
        ),
        Panel("Report lag", "From an envelope's end to its report.", "s", _both("asya_gateway_report_lag_seconds")),
        Panel("Database", "One call of the envelope store.", "s", _both("asya_gateway_store_duration_seconds")),
        Panel(
            "Reports",
            "By outcome; late ones came after the end.",
            "ops",
            ((_rate("asya_gateway_reports_total", "kind, outcome"), "{{kind}} {{outcome}}"),),
        ),
    ),
)
OPERATOR: Final = Board(
    "asya-operator",
    "Asya: operator",
    "Does the operator keep up, and do the API server and the brokers answer it?",
    (
        Panel("Reconciles", "By result.", "ops", ((_rate("asya_operator_reconciles_total", "result"), "{{result}}"),)),
        Panel("One reconcile", "Its length.", "s", _both("asya_operator_reconcile_duration_seconds")),
        Panel(
            "Waiting actors",
            "Actors that wait for a reconcile; should fall back to zero.",
            "short",
            (("max(asya_operator_work_queue_depth)", "waiting"),),
        ),
        Panel(
            "Kubernetes API",
            "Requests by code.",
            "ops",
            ((_rate("asya_operator_api_requests_total", "code"), "{{code}}"),),
        ),
        Panel(
            "Actors by Ready",
            "All should be True.",
            "short",
            (("max by (ready) (asya_operator_actors_by_ready)", "{{ready}}"),),
        ),
        Panel(
            "Rounds over queues",
            "By transport and result; without them every depth is old.",
            "ops",
            ((_rate("asya_operator_queue_rounds_total", "transport, result"), "{{transport}} {{result}}"),),
        ),
        Panel("Leader", "One replica has 1.", "short", (("sum(asya_operator_leader)", "leaders"),)),
    ),
)
_READY: Final = 'max by (queue, actor_namespace) (asya_operator_actor_replicas{kind="ready"})'
_AT_WORK: Final = "clamp_max(queue:asya_handler_utilisation:ratio5m, 1)"
_GPUS: Final = (
    "sum by (queue) (max by (queue, actor_namespace) (asya_operator_actor_replica_gpus)"
    f" * on (queue, actor_namespace) {_READY})"
)
COST: Final = Board(
    "asya-cost",
    "Asya: cost",
    "What runs without work, and what is billed by request?",
    (
        Panel(
            "Idle replicas",
            "Replicas that are paid for and do not work; scaling to zero takes them away.",
            "short",
            ((f"sum by (queue) ({_READY}) * on (queue) (1 - {_AT_WORK})", "{{queue}}"),),
        ),
        Panel(
            "GPUs held, GPUs at work",
            "GPU-seconds a second: the mean over an hour times 3,600 is that hour's. The space between the lines is idle.",
            "short",
            (
                (_GPUS, "{{queue}} held"),
                (f"{_GPUS} * on (queue) {_AT_WORK}", "{{queue}} at work"),
            ),
        ),
        Panel(
            "Handler seconds a second",
            "Time in handlers, of all actors.",
            "short",
            ((_rate("asya_actor_handler_busy_seconds_total", "queue"), "{{queue}}"),),
        ),
        Panel(
            "Requests to SQS",
            "By call, retries included; empty on other brokers. Receives of idle actors are the floor.",
            "ops",
            (
                (_rate("asya_actor_broker_requests_total", "call"), "sidecars {{call}}"),
                (_rate("asya_operator_broker_requests_total", "call"), "operator {{call}}"),
            ),
        ),
        Panel(
            "Bytes by way of the store",
            "Payloads too large for the broker.",
            "Bps",
            ((_rate("asya_actor_claim_bytes_total", "queue, direction"), "{{queue}} {{direction}}"),),
        ),
    ),
)

BOARDS: Final = (MESH, ACTOR, PIPELINE, GATEWAY, OPERATOR, COST)
