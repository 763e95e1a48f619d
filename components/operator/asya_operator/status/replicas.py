"""How many pods an actor should have, and when it last scaled. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from asya_operator.status.observation import Observed, age_s, format_time
from asya_operator.status.pod_states import RECENT_S, PodsHealth

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60))
NEVER: Final = "-"


def desired_replicas(observed: Observed) -> int:
    """Pods wanted: the fixed count; with scaling KEDA's zero, else the HPA's figure, else the workload's own."""
    spec = (observed.workload or {}).get("spec") or {}
    wanted = spec.get("replicas")
    if observed.fixed_replicas is not None and not observed.scaling_enabled:
        return observed.fixed_replicas
    if observed.workload is None:
        return observed.min_replicas
    if wanted == 0:
        return 0  # KEDA's doing; the HPA sleeps meanwhile and keeps an old figure
    by_hpa = ((observed.hpa or {}).get("status") or {}).get("desiredReplicas")
    if observed.scaling_enabled and by_hpa:
        return int(by_hpa)
    return 1 if wanted is None else int(wanted)


def latest_failure(events: Sequence[Mapping[str, Any]], uid: object, now: datetime) -> str:
    """The newest message of a workload's Events that is not history; empty when there is none."""
    stamped = [(str(each.get("lastTimestamp") or each.get("eventTime") or ""), each) for each in events]
    recent = [
        (stamp, str(each.get("message", "")))
        for stamp, each in stamped
        if (each.get("involvedObject") or {}).get("uid") == uid and (age_s(stamp, now) or RECENT_S) < RECENT_S
    ]
    return max(recent, default=("", ""))[1]


def is_rolling_out(workload: Mapping[str, Any] | None) -> bool:
    """Whether pods of an older template remain, or its controller has not yet seen the newest."""
    status = (workload or {}).get("status") or {}
    if workload is None or not status.get("observedGeneration"):
        return False
    spec, present = workload.get("spec") or {}, int(status.get("replicas") or 0)
    if int(status["observedGeneration"]) < int(workload["metadata"].get("generation") or 0):
        return bool(spec.get("replicas", 1) == present)  # otherwise it is the count that has changed
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return False  # older pods stay until somebody deletes them
    return int(status.get("updatedReplicas") or 0) < present


def last_scale(observed: Observed, health: PodsHealth) -> dict[str, Any]:
    """When and which way the number of ready pods last changed.

    A pod that loses its readiness while as many pods live as before is no scaling.

    Returns:
        ``lastScaleTime`` and ``lastScaleDirection`` (absent when it never scaled) and ``lastScaleFormatted``.
    """
    previous = observed.previous
    before, total = previous.get("replicas"), previous.get("totalReplicas")
    if before is not None and health.ready != before and not (health.ready < before and health.total == total):
        stamp, way = format_time(observed.now), "up" if health.ready > before else "down"
    else:
        stamp, way = previous.get("lastScaleTime") or "", previous.get("lastScaleDirection") or ""
    since_s = age_s(stamp, observed.now)
    if since_s is None:
        return {"lastScaleFormatted": NEVER}
    text = f"{format_age(since_s)} ago ({way})"
    return {"lastScaleTime": stamp, "lastScaleDirection": way, "lastScaleFormatted": text}


def format_age(seconds: float) -> str:
    """Write an age in its largest whole unit: ``42s``, ``3m``, ``5h``, ``2d``."""
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{int(seconds)}s"
