"""What one reconcile of an actor found: everything that its status is computed from. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

_STAMP: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes:
        reason: One CamelCase word, as conditions carry it.
        message: A sentence for people.
    """

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """An actor and what belongs to it, at one moment.

    Attributes:
        name: The actor.
        namespace: Where it lives.
        generation: Of its spec.
        now: When this was seen, in UTC.
        deleting: Whether its deletion has begun.
        scaling_enabled: Whether KEDA scales it.
        min_replicas: Fewest replicas with scaling.
        fixed_replicas: The count while scaling is off; none with scaling or for a spec that cannot be read.
        transport_problem: The transport cannot be used; ``None`` is fine, here as below.
        queue_problem: The queue could not be made or is somebody else's.
        workload_problem: The spec is not valid, or its objects could not be applied.
        scaling_problem: The KEDA objects could not be applied.
        workload: The Deployment or StatefulSet as the API server shows it; its pod template is not read.
        pods: Its pods: metadata, status, names of containers.
        creation_failure: Why a StatefulSet could not make a pod, which only its Events tell; empty: nothing known.
        hpa: The HorizontalPodAutoscaler that KEDA made.
        scaled_object: The ScaledObject.
        ready: Envelopes that wait in the queue; ``None`` when they could not be counted.
        in_flight: Envelopes that are worked on.
        previous: The status that was written last; empty before the first.
    """

    name: str
    namespace: str
    generation: int
    now: datetime
    deleting: bool = False
    scaling_enabled: bool = False
    min_replicas: int = 0
    fixed_replicas: int | None = None
    transport_problem: Finding | None = None
    queue_problem: Finding | None = None
    workload_problem: Finding | None = None
    scaling_problem: Finding | None = None
    workload: Mapping[str, Any] | None = None
    pods: Sequence[Mapping[str, Any]] = ()
    creation_failure: str = ""
    hpa: Mapping[str, Any] | None = None
    scaled_object: Mapping[str, Any] | None = None
    ready: int | None = None
    in_flight: int | None = None
    previous: Mapping[str, Any] = field(default_factory=dict)


def format_time(moment: datetime) -> str:
    """Write a moment as Kubernetes does, in whole seconds of UTC."""
    return moment.astimezone(UTC).strftime(_STAMP)


def age_s(stamp: object, now: datetime) -> float | None:
    """Seconds since a Kubernetes timestamp, at least 0; ``None`` for what is no timestamp."""
    if not isinstance(stamp, str) or not stamp:
        return None
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (now - moment).total_seconds())


def find_condition(conditions: object, type_name: str) -> Mapping[str, Any]:
    """The condition of one type from a Kubernetes list of conditions; empty when there is none."""
    for found in conditions if isinstance(conditions, Sequence) else ():
        if isinstance(found, Mapping) and found.get("type") == type_name:
            return found
    return {}
