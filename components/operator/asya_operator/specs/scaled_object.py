"""The ScaledObject of an actor and what it signs in with. Pure.

KEDA's plain rule, ``ceil(envelopes / queueLength)``, ends busy pods: with queueLength 5 a hundred pods at work and an empty
queue make 20. So one trigger counts all envelopes (``total``), another those that wait (``ready``), and a formula wants as many
pods as there is work in flight, or more when the queue is long. A user's own ``scaling.advanced.formula`` goes before it.
Sources: KEDA 2.21, scalers/rabbitmq-queue, scalers/aws-sqs, reference/scaledobject-spec.
"""

from typing import Any, Final

from asya_kube.resources import CONFIG_MAP, SCALED_OBJECT, TRIGGER_AUTH
from asya_manifest.actor import AsyncActor
from asya_manifest.labels import trigger_auth_name
from asya_manifest.policies import TRIGGERS, names_in
from asya_operator.specs.context import RenderContext
from asya_operator.specs.meta import owned
from asya_operator.transport_config import RabbitMqConfig, SecretRef, SqsConfig, TransportConfig

BEHAVIOR: Final = {
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    },
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Pods", "value": 10, "periodSeconds": 60},
            {"type": "Percent", "value": 100, "periodSeconds": 60},
        ],
    },
}
"""Asya 0.1.1's: up at once, down one pod a minute after five quiet minutes."""
FAILURES_BEFORE_FALLBACK: Final = 3


def build_scaled_object(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """The ScaledObject."""
    scaling = actor.spec.scaling
    return {
        **owned(SCALED_OBJECT, actor, uid, context.namespace),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": actor.spec.workload.kind, "name": actor.name},
            "minReplicaCount": scaling.min_replicas,
            "maxReplicaCount": scaling.max_replicas,
            "pollingInterval": max(1, round(scaling.polling_interval)),
            "cooldownPeriod": round(scaling.cooldown_period),
            # A scaler that cannot see its queue must not end pods that are at work.
            "fallback": {
                "failureThreshold": FAILURES_BEFORE_FALLBACK,
                "replicas": max(1, scaling.min_replicas),
                "behavior": "currentReplicasIfHigher",
            },
            "advanced": _advanced(actor),
            "triggers": _triggers(actor, context.transport, context.queue_names.queue(actor.name)),
        },
    }


def build_trigger_authentication(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """How KEDA signs in to the broker: secrets by reference, AWS by the pod identity of KEDA's operator."""
    head = owned(TRIGGER_AUTH, actor, uid, context.namespace, trigger_auth_name(actor.name))
    return {**head, "spec": _sign_in(actor, context.transport)}


def build_trigger_names(actor: AsyncActor, uid: str, context: RenderContext) -> dict[str, Any]:
    """The user name for KEDA, which takes it only from a secret, a ConfigMap or a pod; the password stays in its secret."""
    config = context.transport.config
    username = (config.scaler or config).username if isinstance(config, RabbitMqConfig) else ""
    head = owned(CONFIG_MAP, actor, uid, context.namespace, trigger_auth_name(actor.name))
    return {**head, "data": {"username": username}}


def signs_in_with_password(transport: TransportConfig) -> bool:
    """Whether KEDA signs in by user name and password."""
    config = transport.config
    return isinstance(config, RabbitMqConfig) and (config.scaler or config).password_secret_ref is not None


def needs_user_name(transport: TransportConfig) -> bool:
    """Whether KEDA needs a ConfigMap with the user name, since no secret has it."""
    config = transport.config
    return signs_in_with_password(transport) and isinstance(config, RabbitMqConfig) and _scaler_name_ref(config) is None


def _scaler_name_ref(config: RabbitMqConfig) -> SecretRef | None:
    """The secret with KEDA's user name, where one has it."""
    return None if config.scaler is not None else config.username_secret_ref


def formula(actor: AsyncActor) -> str:
    """How many pods are wanted, as KEDA's expression over the triggers ``total`` and ``ready``."""
    at_work = "(total - ready)" if actor.at_once == 1 else f"(total - ready) / {actor.at_once}"
    return f"max({at_work}, total / {actor.spec.scaling.queue_length})"


def _advanced(actor: AsyncActor) -> dict[str, Any]:
    own = actor.spec.scaling.advanced
    found: dict[str, Any] = {"horizontalPodAutoscalerConfig": {"behavior": BEHAVIOR}}
    modifiers = {"formula": formula(actor), "target": "1", "activationTarget": "0", "metricType": "AverageValue"}
    if own is not None:
        if own.restore_to_original_replica_count is not None:
            found["restoreToOriginalReplicaCount"] = own.restore_to_original_replica_count
        if own.formula is not None:
            given = {"activationTarget": own.activation_target, "metricType": own.metric_type}
            modifiers = {"formula": own.formula, "target": own.target or "1"}
            modifiers |= {key: value for key, value in given.items() if value is not None}
    found["scalingModifiers"] = modifiers
    return found


def _triggers(actor: AsyncActor, transport: TransportConfig, queue: str) -> list[dict[str, Any]]:
    """Those that the formula names: ``queueLength``, as Asya 0.1.1's formulas have it, is another name of ``total``."""
    own = actor.spec.scaling.advanced
    wanted = names_in((own and own.formula) or formula(actor))
    return [_trigger(actor, transport, queue, name, in_flight=name != "ready") for name in TRIGGERS if name in wanted]


def _trigger(
    actor: AsyncActor, transport: TransportConfig, queue: str, name: str, *, in_flight: bool
) -> dict[str, Any]:
    config = transport.config
    if isinstance(config, RabbitMqConfig):
        meta = {
            "protocol": "http",  # AMQP does not count what is in flight
            "host": config.scaler_host,
            "queueName": queue,
            "mode": "QueueLength",
            "value": str(actor.spec.scaling.queue_length),
            "excludeUnacknowledged": str(not in_flight).lower(),
        }
        trigger: dict[str, Any] = {"type": "rabbitmq", "name": name, "metadata": meta}
        if signs_in_with_password(transport):
            trigger["authenticationRef"] = {"name": trigger_auth_name(actor.name)}
        return trigger
    meta = {
        "queueURL": config.queue_url(queue),
        "queueLength": str(actor.spec.scaling.queue_length),
        "awsRegion": config.region,
        "scaleOnInFlight": str(in_flight).lower(),
        # What is delayed needs nobody yet, a wait may last for hours; in neither count, so that their difference is what is in
        # flight. RabbitMQ keeps what is delayed elsewhere.
        "scaleOnDelayed": "false",
    }
    if config.endpoint:
        meta["awsEndpoint"] = config.endpoint
    return {
        "type": "aws-sqs-queue",
        "name": name,
        "metadata": meta,
        "authenticationRef": {"name": trigger_auth_name(actor.name)},
    }


def _sign_in(actor: AsyncActor, transport: TransportConfig) -> dict[str, Any]:
    config = transport.config
    if isinstance(config, SqsConfig):
        if config.credentials is None:
            return {"podIdentity": {"provider": "aws"}}
        pairs = (
            ("awsAccessKeyID", config.credentials.access_key_id_secret_ref),
            ("awsSecretAccessKey", config.credentials.secret_access_key_secret_ref),
        )
        return {"secretTargetRef": [{"parameter": name, "name": ref.name, "key": ref.key} for name, ref in pairs]}
    name_ref = _scaler_name_ref(config)
    given = (("username", name_ref), ("password", (config.scaler or config).password_secret_ref))
    found: dict[str, Any] = {
        "secretTargetRef": [
            {"parameter": name, "name": ref.name, "key": ref.key} for name, ref in given if ref is not None
        ]
    }
    if name_ref is None:
        username = {"parameter": "username", "name": trigger_auth_name(actor.name), "key": "username"}
        found["configMapTargetRef"] = [username]
    return found
