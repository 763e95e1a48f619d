"""Recording rules: figures of an actor that alerts and dashboards share, by ``queue``, which is the actor's name. Pure data."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Record:
    """A figure that Prometheus keeps.

    Attributes:
        name: By Prometheus' convention ``level:metric:operation``.
        expr: How it is made.
    """

    name: str
    expr: str


QUEUE: Final = "max by (queue, actor_namespace, state) (asya_operator_queue_envelopes)"
"""One value where two operators were scraped within a change of the leader."""

RECORDS: Final = (
    Record("queue:asya_backlog:envelopes", f"sum by (queue) ({QUEUE})"),
    Record(
        "queue:asya_waiting:envelopes",
        'sum by (queue) (max by (queue, actor_namespace, state) (asya_operator_queue_envelopes{state="ready"}))',
    ),
    Record("queue:asya_handler_slots:sum", "sum by (queue) (asya_actor_handler_slots)"),
    Record(
        "queue:asya_handler_seconds:mean10m",
        "sum by (queue) (rate(asya_actor_runtime_execution_duration_seconds_sum[10m]))"
        " / (sum by (queue) (rate(asya_actor_runtime_execution_duration_seconds_count[10m])) > 0)",
    ),
    Record(
        "queue:asya_handler_utilisation:ratio5m",
        "sum by (queue) (rate(asya_actor_handler_busy_seconds_total[5m])) / (queue:asya_handler_slots:sum > 0)",
    ),
    Record(
        "queue:asya_drain:seconds",
        "queue:asya_backlog:envelopes * queue:asya_handler_seconds:mean10m / (queue:asya_handler_slots:sum > 0)",
    ),
    *(
        Record(
            f"queue:asya_failures:ratio{window}",
            f"sum by (queue) (rate(asya_actor_messages_failed_total[{window}]))"
            f" / (sum by (queue) (rate(asya_actor_processing_duration_seconds_count[{window}])) > 0)",
        )
        for window in ("5m", "1h")
    ),
)
