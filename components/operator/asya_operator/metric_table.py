"""The operator's metrics, each said once; names of our own. Pure.

``queue`` holds an actor's name, as in the sidecar's metrics, so that both join; ``actor_namespace`` is the actor's, for
``namespace`` is the scraper's word for the operator's own.
"""

from typing import Final

from asya_process.metric import Metric

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
START_BUCKETS_S: Final = (1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
_ACTOR: Final = ("queue", "actor_namespace")

RECONCILES: Final = Metric(
    "reconciles_total", "counter", "Reconciles of an actor; result is ok or error.", ("result",), "reconciles"
)
RECONCILE: Final = Metric("reconcile_duration_seconds", "histogram", "One reconcile of an actor.", (), "s", BUCKETS_S)
API_CALLS: Final = Metric(
    "api_requests_total",
    "counter",
    "Requests to the Kubernetes API, watches not counted.",
    ("verb", "resource", "code"),
    "requests",
)
API: Final = Metric(
    "api_request_duration_seconds", "histogram", "One request to the Kubernetes API.", (), "s", BUCKETS_S
)
ACTORS: Final = Metric("actors", "gauge", "AsyncActors by status.", ("status",), "actors")
ACTORS_READY: Final = Metric(
    "actors_by_ready", "gauge", "AsyncActors by their condition Ready: True, False or Unknown.", ("ready",), "actors"
)
ACTOR_STATUS: Final = Metric(
    "actor_status", "gauge", "1 for the status that an actor has.", (*_ACTOR, "status"), "actors"
)
CONDITION: Final = Metric(
    "actor_condition",
    "gauge",
    "1 where a condition of an actor, or Fallback of its ScaledObject, is True, 0 where it is False; absent while Unknown.",
    (*_ACTOR, "condition"),
    "actors",
)
REPLICAS: Final = Metric(
    "actor_replicas",
    "gauge",
    "Replicas of an actor; kind is ready, desired, or max where it is scaled.",
    (*_ACTOR, "kind"),
    "replicas",
)
REPLICA_GPUS: Final = Metric(
    "actor_replica_gpus", "gauge", "GPUs that one replica of an actor asks for; absent without.", _ACTOR, "GPUs"
)
POD_START: Final = Metric(
    "pod_start_seconds",
    "histogram",
    "From the scheduling of a pod of an actor to its readiness: image, processes, load of a model.",
    _ACTOR,
    "s",
    START_BUCKETS_S,
)
SIDECAR_START: Final = Metric(
    "sidecar_start_seconds",
    "histogram",
    "From the scheduling of a pod of an actor to the start of its sidecar: what comes before `asya_actor_cold_start_seconds`.",
    _ACTOR,
    "s",
    START_BUCKETS_S,
)
QUEUE: Final = Metric(
    "queue_envelopes",
    "gauge",
    "Envelopes in an actor's queue when it was last counted; state is ready, in_flight or delayed.",
    (*_ACTOR, "state"),
    "envelopes",
)
DEAD: Final = Metric(
    "dead_letters",
    "gauge",
    "Envelopes in an actor's dead letter queue when it was last counted.",
    _ACTOR,
    "envelopes",
)
COUNTED: Final = Metric(
    "queue_rounds_total",
    "counter",
    "Rounds over the queues of a transport; result is ok or error.",
    ("transport", "result"),
    "rounds",
)
BROKER_AWAY: Final = Metric(
    "broker_away",
    "gauge",
    "1 where the last round over the queues of a transport failed, 0 where it went well; absent without actors of it.",
    ("transport",),
    "transports",
)
BROKER_ALARM: Final = Metric(
    "broker_alarm",
    "gauge",
    "1 for what keeps a broker from taking envelopes (RabbitMQ: memory, disk, file_descriptor_limit); absent without.",
    ("transport", "alarm"),
    "alarms",
)
BROKER_REQUESTS: Final = Metric(
    "broker_requests_total",
    "counter",
    "Requests to a broker that bills them (SQS), retries included, by call.",
    ("call",),
    "requests",
)
PART: Final = Metric(
    "part_version",
    "gauge",
    "1 for the version of what the mesh stands on (Kubernetes, KEDA, RabbitMQ), as far as it says one.",
    ("part", "version"),
    "parts",
)
PART_ENDS: Final = Metric(
    "part_support_ends_timestamp_seconds",
    "gauge",
    "When the makers of a version's series stop mending it, in seconds since 1970; absent where they name no date.",
    ("part", "version"),
    "s",
)
HOLE: Final = Metric(
    "part_known_hole",
    "gauge",
    "1 for a hole that a version is known to have, by the name that advisories have for it.",
    ("part", "version", "hole"),
    "holes",
)
WAITING: Final = Metric("work_queue_depth", "gauge", "Actors waiting to be reconciled.", (), "actors")
LEADER: Final = Metric("leader", "gauge", "1 where this replica does the work.", (), "replicas")

TABLE: Final = (
    RECONCILES,
    RECONCILE,
    API_CALLS,
    API,
    ACTORS,
    ACTORS_READY,
    ACTOR_STATUS,
    CONDITION,
    REPLICAS,
    REPLICA_GPUS,
    POD_START,
    SIDECAR_START,
    QUEUE,
    DEAD,
    COUNTED,
    BROKER_AWAY,
    BROKER_ALARM,
    BROKER_REQUESTS,
    PART,
    PART_ENDS,
    HOLE,
    WAITING,
    LEADER,
)
