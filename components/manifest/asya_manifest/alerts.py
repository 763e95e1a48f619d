"""The alerts, each said once: rules, PrometheusRule, docs/runbooks.md and `asya doctor --cluster` have them from here. Pure.

``$labels.queue`` is the actor. An alert of severity ``page`` wants a person now, a ``ticket`` within the day.
"""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Attributes:
        name: In Prometheus, and the heading of its runbook.
        expr: True while something is wrong.
        for_: How long it must be.
        severity: Whether somebody is woken.
        summary: What is wrong, as one sentence.
        look: Where to look, commands among it.
        mend: What to do.
    """

    name: str
    expr: str
    for_: str
    severity: Literal["page", "ticket"]
    summary: str
    look: str
    mend: str


ALERTS: Final = (
    Alert(
        "AsyaStalledConsumer",
        "queue:asya_waiting:envelopes > 0 unless on (queue)"
        " (sum by (queue) (rate(asya_actor_handler_busy_seconds_total[10m])) > 0)",
        "10m",
        "page",
        "Envelopes wait for {{ $labels.queue }}, and for ten minutes no handler of it has worked.",
        "`kubectl get asya <actor> -o wide`, `asya top`, the log of `asya-sidecar` in its pods; without pods that of "
        "keda-operator.",
        "No pods: see the statuses ScalingError and PendingResources. Pods without work: their sidecar cannot reach the "
        "broker or their runtime is not ready; its last log line says which.",
    ),
    Alert(
        "AsyaBacklogGrows",
        "queue:asya_drain:seconds > 3600 and on (queue) deriv(queue:asya_backlog:envelopes[30m]) > 0",
        "15m",
        "ticket",
        "{{ $labels.queue }} needs {{ $value | humanizeDuration }} for its backlog, which grows.",
        "The dashboard of the actor: arrivals against settlements, utilisation, replicas.",
        "Raise `spec.scaling.maxReplicas` or `spec.sidecar.concurrency`, make the handler faster, or slow the producers down.",
    ),
    Alert(
        "AsyaOldEnvelopes",
        "max by (queue) (asya_actor_oldest_received_age_seconds) > 3600"
        " and on (queue) queue:asya_waiting:envelopes > 0",
        "10m",
        "ticket",
        "What {{ $labels.queue }} receives has waited for {{ $value | humanizeDuration }}.",
        "`asya top`; envelopes that are retried with a pause count that pause.",
        "As for a growing backlog; where the deadline of envelopes is nearer than that, they will fail.",
    ),
    Alert(
        "AsyaDeadLetters",
        "max by (queue, actor_namespace) (asya_operator_dead_letters) > 0",
        "1m",
        "ticket",
        "{{ $labels.queue }} has {{ $value }} dead letters.",
        "`asya dlq ls <actor>`, `asya dlq show <actor> <id>`: the reason, and the envelope.",
        "Mend what ended the process or broke the lease, then `asya dlq redrive <actor>`; or `asya dlq purge`.",
    ),
    Alert(
        "AsyaErrorRatio",
        "queue:asya_failures:ratio5m > 0.05 and on (queue) queue:asya_failures:ratio1h > 0.05",
        "2m",
        "page",
        "{{ $value | humanizePercentage }} of the envelopes of {{ $labels.queue }} fail, now and over the last hour.",
        "`asya_actor_messages_failed_total` by `reason`; the objects of error-end have message and traceback.",
        "`runtime_error`: the handler raises. `routing_error`: a queue of its route is missing. `parse_error`, "
        "`validation_error`, `route_mismatch`: a producer sends what is no envelope for it.",
    ),
    Alert(
        "AsyaCrashLoop",
        "max by (queue, actor_namespace, status) "
        '(asya_operator_actor_status{status=~"RuntimeError|SidecarError|ImagePullError|ConfigError|VolumeError"}) == 1',
        "5m",
        "page",
        "Pods of {{ $labels.queue }} do not run: {{ $labels.status }}.",
        "`kubectl describe asya <actor>`: the condition WorkloadReady names the container and its exit code.",
        "The section of that status in [operator.md](operator.md#statuses).",
    ),
    Alert(
        "AsyaScaledAtMaximum",
        'max by (queue) (asya_operator_actor_replicas{kind="desired"}) >= on (queue)'
        ' max by (queue) (asya_operator_actor_replicas{kind="max"}) and on (queue) queue:asya_waiting:envelopes > 0',
        "15m",
        "ticket",
        "{{ $labels.queue }} has its {{ $value }} replicas, and envelopes wait.",
        "The dashboard of the actor: does the drain time fall?",
        "Raise `spec.scaling.maxReplicas` if it does not, or live with the wait.",
    ),
    Alert(
        "AsyaScalerNotReady",
        'min by (queue, actor_namespace) (asya_operator_actor_condition{condition="ScalingReady"}) == 0',
        "5m",
        "page",
        "{{ $labels.queue }} is not scaled: KEDA is missing, refuses its ScaledObject or cannot read the queue.",
        "`kubectl describe asya <actor>`, the condition ScalingReady; `kubectl describe scaledobject <actor>`.",
        "The section [ScalingError](operator.md#scalingerror).",
    ),
    Alert(
        "AsyaKedaFallback",
        'max by (queue, actor_namespace) (asya_operator_actor_condition{condition="Fallback"}) == 1',
        "5m",
        "ticket",
        "{{ $labels.queue }} has the replicas of its fallback, because KEDA cannot read its queue.",
        "`kubectl describe scaledobject <actor>`: the condition Fallback, and the Events.",
        "Mend KEDA's way to the broker: address, credentials, network policy.",
    ),
    Alert(
        "AsyaLeasesLost",
        "sum by (queue) (increase(asya_actor_leases_lost_total[15m])) > 0",
        "1m",
        "ticket",
        "{{ $labels.queue }} lost leases: those envelopes are run twice.",
        "The sidecar's log: `leases not extended`; a node or a broker that stood still; a CPU limit that starves the sidecar.",
        "Give the sidecar CPU, raise the transport's `visibilityTimeout`; `spec.delivery.dedup` hides the second run.",
    ),
    Alert(
        "AsyaReportLag",
        "histogram_quantile(0.9, sum by (le) (rate(asya_gateway_report_lag_seconds_bucket[10m]))) > 60"
        " or sum(asya_actor_gateway_reports_waiting) > 1000",
        "10m",
        "ticket",
        "The gateway hears of ends late, or reports pile up in sidecars.",
        "`asya_gateway_store_duration_seconds`, `asya_gateway_refused_total`, the gateway's log.",
        "More gateway replicas or a faster database; handlers go on meanwhile, and no end is lost.",
    ),
    Alert(
        "AsyaGatewayStoreErrors",
        "sum by (operation) (rate(asya_gateway_store_errors_total[5m])) > 0",
        "5m",
        "page",
        "The gateway's database does not serve {{ $labels.operation }}.",
        "`/ready` of the gateway; its log; the database.",
        "Bring the database back; calls answer 503 until then.",
    ),
    Alert(
        "AsyaQueuesNotCounted",
        "max by (transport) (asya_operator_broker_away) == 1",
        "10m",
        "page",
        "The operator cannot count the queues of transport {{ $labels.transport }}: every other figure of it is old.",
        "The operator's log: `queues not seen`.",
        "Bring the broker back, or correct the transport's configuration and secrets.",
    ),
    Alert(
        "AsyaBrokerAlarm",
        "max by (transport, alarm) (asya_operator_broker_alarm) == 1",
        "1m",
        "page",
        "The broker of transport {{ $labels.transport }} takes no envelopes: {{ $labels.alarm }}.",
        "`rabbitmqctl status`, and which queue of `asya top` grows; what is sent waits, and handlers wait with it.",
        "Give the broker memory or disk, or let actors with a backlog have replicas; sends go on by themselves then.",
    ),
    Alert(
        "AsyaSupportEnded",
        "max by (part, version) (asya_operator_part_support_ends_timestamp_seconds) < time()",
        "1h",
        "ticket",
        "Nobody mends {{ $labels.part }} {{ $labels.version }} any more.",
        "`asya_operator_part_version`: what the mesh stands on; `asya doctor --cluster`.",
        "Upgrade it to a series that is mended; where a provider mends this one for longer, silence the alert until then.",
    ),
    Alert(
        "AsyaKnownHole",
        "max by (part, version, hole) (asya_operator_part_known_hole) == 1",
        "5m",
        "ticket",
        "{{ $labels.part }} {{ $labels.version }} has a known hole: {{ $labels.hole }}.",
        "`asya doctor --cluster` says what it lets whom do, and the version that mends it.",
        "Upgrade it: `asya doctor --cluster` names the first version without the hole.",
    ),
    Alert(
        "AsyaCertificateEnds",
        "min by (subject) (asya_gateway_certificate_ends_timestamp_seconds) - time() < 14 * 86400",
        "1h",
        "ticket",
        "The gateway's certificate {{ $labels.subject }} ends in {{ $value | humanizeDuration }}.",
        "The files that `ASYA_GATEWAY_TLS_CERT` names, and whoever renews them, such as cert-manager.",
        "Put a renewed certificate there: it is read within ten seconds, without a restart.",
    ),
    Alert(
        "AsyaTokenEnds",
        "min by (queue) (asya_actor_gateway_token_ends_timestamp_seconds) - time() < 3 * 86400",
        "1h",
        "ticket",
        "The token with which {{ $labels.queue }} reports to the gateway ends in {{ $value | humanizeDuration }}.",
        "The secret from which sidecars take `ASYA_GATEWAY_TOKEN`.",
        "Put a new token into it and restart the actor's pods; without one, ends are not reported, and envelopes wait.",
    ),
    Alert(
        "AsyaOperatorAway",
        "absent(asya_operator_leader == 1)",
        "5m",
        "page",
        "No operator leads: actors are neither made nor changed, and queues are not counted.",
        "`kubectl -n asya-system get pods`, the log of asya-operator.",
        "Bring one back; actors that run go on, and KEDA scales them.",
    ),
)
