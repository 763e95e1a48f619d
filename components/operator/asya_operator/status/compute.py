"""An actor's whole status from one reconcile, and whether it is worth a write. Pure.

Writes are bounded: what changes by itself (the age of the last scaling, counts of envelopes) is written at most once in
``QUIET_S``; everything else at once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from asya_operator.status.conditions import (
    READY,
    TRANSPORT_READY,
    build_condition,
    build_conditions,
    workload_trouble,
)
from asya_operator.status.observation import Finding, Observed, age_s, find_condition, format_time
from asya_operator.status.pod_states import assess_pods
from asya_operator.status.replicas import desired_replicas, is_rolling_out, last_scale
from asya_operator.status.table import Facts, Rule, choose_rule

QUIET_S: Final = 60.0
RESTLESS: Final = frozenset({"lastScaleFormatted", "queuedMessages", "processingMessages"})
"""Fields that change by themselves."""
_WORKS: Final = frozenset({"Running", "Napping", "ScalingDown"})
STAMP: Final = "lastMeasureTime"
"""Field: when the status was last written. Ours; the bound on writes needs it, and nothing else does."""


def compute_status(observed: Observed) -> dict[str, Any]:
    """Compute every status field.

    Returns:
        The object below ``status`` in the API's spelling; fields without a value are absent.
    """
    health = assess_pods(observed.pods, observed.now)
    desired = desired_replicas(observed)
    trouble = workload_trouble(observed, health, desired)
    conditions = build_conditions(observed, trouble)
    workload_status = (observed.workload or {}).get("status") or {}
    facts = Facts(
        deleting=observed.deleting,
        failed={found["type"] for found in conditions if found["status"] == "False"},
        trouble=trouble.kind if trouble and observed.workload_problem is None else None,
        scaling_on=observed.scaling_enabled,
        seen=bool(workload_status.get("observedGeneration")),
        rolling_out=is_rolling_out(observed.workload),
        desired=desired,
        pods=health,
    )
    rule = choose_rule(facts)
    true = sum(found["status"] == "True" for found in conditions if found["type"] != READY)
    if not observed.deleting:
        conditions = [*conditions, _ready(observed, rule, conditions, facts)]
    transport = find_condition(conditions, TRANSPORT_READY).get("status")
    return {
        "conditions": conditions,
        "readySummary": f"{true}/{3 if observed.scaling_enabled else 2}",
        "status": rule.status,
        "readyReplicas": health.ready,
        "totalReplicas": health.total,
        "pendingReplicas": health.pending + health.lost,
        "failingPods": health.failing + health.failed,
        "readyReplicasSummary": f"{health.ready}/{health.total}",
        "transportStatus": "Ready" if transport == "True" else "NotReady",
        "replicas": health.ready,
        "desiredReplicas": desired,
        "replicasSummary": f"{health.ready}/{desired}",
        "scalingMode": "KEDA" if observed.scaling_enabled else "Manual",
        "observedGeneration": observed.generation,
        STAMP: format_time(observed.now),
        **last_scale(observed, health),
        **_references(observed),
        **_counts(observed),
    }


def worth_writing(previous: Mapping[str, Any], new: Mapping[str, Any], now: datetime) -> bool:
    """Whether a status should be written now.

    Args:
        previous: The status that was written last; empty before the first.
        new: What ``compute_status`` gave.
        now: The present moment, in UTC.
    """
    due_s = write_due_s(previous, new, now)
    return due_s is not None and due_s <= 0


def write_due_s(previous: Mapping[str, Any], new: Mapping[str, Any], now: datetime) -> float | None:
    """Seconds until a status should be written, 0 for at once; ``None`` when it says nothing new."""
    changed = {name for name in previous.keys() | new.keys() if previous.get(name) != new.get(name)} - {STAMP}
    if not changed:
        return None
    written_s = age_s(previous.get(STAMP), now)
    if changed - RESTLESS or written_s is None:
        return 0.0
    return max(0.0, QUIET_S - written_s)


def _ready(observed: Observed, rule: Rule, conditions: Sequence[Mapping[str, Any]], facts: Facts) -> dict[str, Any]:
    """Whether the newest spec is in force and pods work on envelopes, or one would be started for them.

    More pods than there are may be wanted at any time of a day: an actor that scales up is ready once one of them is.
    """
    works = rule.status in _WORKS or (rule.status == "ScalingUp" and facts.pods.ready > 0)
    failed = next((str(found["message"]) for found in conditions if found["status"] == "False"), "")
    found = Finding(rule.status, rule.meaning if works else failed or rule.meaning)
    return build_condition(observed, READY, "True" if works else "False", found)


def _references(observed: Observed) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if observed.workload is not None:
        found["workloadRef"] = {
            "apiVersion": observed.workload.get("apiVersion", "apps/v1"),
            "kind": observed.workload.get("kind", "Deployment"),
            "name": observed.name,
            "namespace": observed.namespace,
        }
    if observed.scaling_enabled and observed.scaled_object is not None:
        found["scaledObjectRef"] = {"name": observed.name, "namespace": observed.namespace}
    return found


def _counts(observed: Observed) -> dict[str, int]:
    """Envelopes by their place; those of before where they could not be counted."""
    fields = {"queuedMessages": observed.ready, "processingMessages": observed.in_flight}
    known = {name: observed.previous.get(name) if value is None else value for name, value in fields.items()}
    return {name: value for name, value in known.items() if value is not None}
