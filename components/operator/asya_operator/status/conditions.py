"""The conditions of an actor: TransportReady, WorkloadReady, with scaling ScalingReady, and Ready over all. Pure.

Reason, message and generation are those of this reconcile; the time of transition changes only with the condition's status.
"""

from typing import Any, Final

from asya_operator.status.observation import Finding, Observed, find_condition, format_time
from asya_operator.status.pod_states import PodsHealth, PodTrouble
from asya_operator.status.troubles import classify_creation

TRANSPORT_READY: Final = "TransportReady"
WORKLOAD_READY: Final = "WorkloadReady"
SCALING_READY: Final = "ScalingReady"
READY: Final = "Ready"
"""What `kubectl wait`, Argo CD and Flux go by; made of the status, see ``compute``."""

TRANSPORT_VALIDATED: Final = "TransportValidated"
WORKLOAD_CREATED: Final = "WorkloadCreated"
WORKLOAD_PENDING: Final = "WorkloadPending"
PODS_NOT_HEALTHY: Final = "PodsNotHealthy"
VALIDATION_ERROR: Final = "ValidationError"
SCALED_OBJECT_CREATED: Final = "ScaledObjectCreated"
SCALED_OBJECT_PENDING: Final = "ScaledObjectPending"
SCALED_OBJECT_NOT_READY: Final = "ScaledObjectNotReady"
NOT_CHECKED: Final = "NotChecked"

LONGEST_MESSAGE: Final = 32768
"""The API's own limit for a condition's message."""


def build_conditions(observed: Observed, trouble: PodTrouble | None) -> list[dict[str, Any]]:
    """Judge what was observed.

    Args:
        observed: What one reconcile of an actor found.
        trouble: What keeps its pods from being healthy, see ``workload_trouble``.

    Returns:
        Conditions as the API keeps them; those of before while the actor is being deleted, since nothing is checked.
    """
    if observed.deleting:
        return [dict(found) for found in observed.previous.get("conditions") or ()]
    judged = [(TRANSPORT_READY, *_transport(observed)), (WORKLOAD_READY, *_workload(observed, trouble))]
    if observed.scaling_enabled:
        judged.append((SCALING_READY, *_scaling(observed)))
    return [build_condition(observed, type_name, value, found) for type_name, value, found in judged]


def workload_trouble(observed: Observed, health: PodsHealth, desired: int) -> PodTrouble | None:
    """What keeps the pods from being healthy: a pod's trouble, pods that cannot be made, or ended ones not replaced."""
    if health.trouble is not None:
        return health.trouble
    refused = find_condition(((observed.workload or {}).get("status") or {}).get("conditions"), "ReplicaFailure")
    text = str(refused.get("message", "")) if refused.get("status") == "True" else observed.creation_failure
    if text and health.total < desired:
        return PodTrouble(classify_creation(text), f"Pods cannot be created: {text}")
    return health.failed_trouble if health.total < desired else None


def _transport(observed: Observed) -> tuple[str, Finding]:
    problem = observed.transport_problem or observed.queue_problem
    if problem is not None:
        return "False", problem
    if observed.workload_problem is not None and observed.workload_problem.reason == VALIDATION_ERROR:
        return "Unknown", Finding(NOT_CHECKED, "The spec is not valid; its transport was not looked at")
    return "True", Finding(TRANSPORT_VALIDATED, "Transport configuration validated")


def _workload(observed: Observed, trouble: PodTrouble | None) -> tuple[str, Finding]:
    if observed.workload_problem is not None:
        return "False", observed.workload_problem
    if trouble is not None:
        return "False", Finding(PODS_NOT_HEALTHY, trouble.message)
    if observed.workload is None:
        return "Unknown", Finding(WORKLOAD_PENDING, "The workload has not been seen yet")
    return "True", Finding(WORKLOAD_CREATED, "All pods healthy" if observed.pods else "Workload created")


def _scaling(observed: Observed) -> tuple[str, Finding]:
    if observed.scaling_problem is not None:
        return "False", observed.scaling_problem
    if observed.scaled_object is None:
        return "Unknown", Finding(SCALED_OBJECT_PENDING, "The ScaledObject has not been seen yet")
    keda = find_condition((observed.scaled_object.get("status") or {}).get("conditions"), "Ready")
    if keda.get("status") == "False":
        reason = str(keda.get("reason") or SCALED_OBJECT_NOT_READY)
        return "False", Finding(reason, f"KEDA: {keda.get('message') or 'the ScaledObject is not ready'}")
    return "True", Finding(SCALED_OBJECT_CREATED, "ScaledObject created")


def build_condition(observed: Observed, type_name: str, value: str, found: Finding) -> dict[str, Any]:
    """One condition as the API keeps it; the time of transition is kept while its status is."""
    before = find_condition(observed.previous.get("conditions"), type_name)
    since = before.get("lastTransitionTime") if before.get("status") == value else None
    return {
        "type": type_name,
        "status": value,
        "reason": found.reason,
        "message": found.message[:LONGEST_MESSAGE],
        "lastTransitionTime": since or format_time(observed.now),
        "observedGeneration": observed.generation,
    }
