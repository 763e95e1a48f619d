"""How an actor's pods are: counted by state, and the one trouble that is worth telling. Pure.

A pod that has just begun is pending, not failing: its volumes and network get ``STUCK_S``, its handler as long as its
probes allow. What the kubelet says only in Events (a volume that does not mount) shows here by the time it takes.
"""

import enum
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from asya_manifest.pod import RUNTIME_CONTAINER, SIDECAR_CONTAINER
from asya_operator.status.observation import age_s, find_condition
from asya_operator.status.troubles import Trouble, classify_scheduling, classify_text, classify_waiting

STUCK_S: Final = 120.0
"""The kubelet itself gives up waiting for volumes after about two minutes, and tries again."""
OLD_S: Final = 300.0
"""A pod older than this that is not ready is no longer starting."""
MANY_RESTARTS: Final = 5
RECENT_S: Final = 600.0
"""A restart longer ago than this, many or not, is history."""
LONGEST_DETAIL: Final = 300


class PodState(enum.Enum):
    """What one pod counts as."""

    READY = "ready"
    PENDING = "pending"
    FAILING = "failing"
    LOST = "lost"
    """Its node does not answer."""
    FAILED = "failed"
    """It has ended and stays as a record; something else took its place."""
    GONE = "gone"
    """It is being deleted, or has completed; not counted."""


@dataclass(frozen=True, slots=True)
class PodTrouble:
    """What is wrong with a pod.

    Attributes:
        kind: By which status it shows.
        message: ``Container asya-runtime in CrashLoopBackOff (pod: p): OOMKilled, exit code 137``.
    """

    kind: Trouble
    message: str


@dataclass(frozen=True, slots=True)
class PodsHealth:
    """All pods of an actor.

    Attributes:
        ready: Running and ready.
        pending: Starting, or not ready for now.
        failing: Will not become ready by themselves.
        lost: On a node that does not answer.
        failed: Ended, kept as a record.
        old_unready: Whether one that is not ready had ``OLD_S`` to become it.
        trouble: The most telling trouble of those that live.
        failed_trouble: What ended those that failed.
    """

    ready: int = 0
    pending: int = 0
    failing: int = 0
    lost: int = 0
    failed: int = 0
    old_unready: bool = False
    trouble: PodTrouble | None = None
    failed_trouble: PodTrouble | None = None

    @property
    def total(self) -> int:
        """Pods that live; records of ended ones are none."""
        return self.ready + self.pending + self.failing + self.lost


def assess_pods(pods: Sequence[Mapping[str, Any]], now: datetime) -> PodsHealth:
    """Count pods and name their trouble. The order of pods does not matter."""
    counts: Counter[PodState] = Counter()
    troubles: list[PodTrouble] = []
    ended: list[PodTrouble] = []
    old = False
    for pod in sorted(pods, key=_name):
        trouble = pod_trouble(pod, now)
        state = _state(pod, trouble)
        counts[state] += 1
        if state is PodState.FAILED and trouble is not None:
            ended.append(trouble)
        elif state is not PodState.GONE and trouble is not None:
            troubles.append(trouble)
        if state is PodState.PENDING:
            old = old or (age_s(pod["metadata"].get("creationTimestamp"), now) or 0.0) >= OLD_S
    order = list(Trouble)
    return PodsHealth(
        ready=counts[PodState.READY],
        pending=counts[PodState.PENDING],
        failing=counts[PodState.FAILING],
        lost=counts[PodState.LOST],
        failed=counts[PodState.FAILED],
        old_unready=old,
        trouble=min(troubles, key=lambda found: order.index(found.kind), default=None),
        failed_trouble=ended[0] if ended else None,
    )


def pod_trouble(pod: Mapping[str, Any], now: datetime) -> PodTrouble | None:
    """What is wrong with a pod, if anything."""
    status = _status(pod)
    if status.get("phase") == "Failed":
        cause = ": ".join(str(status[key]) for key in ("reason", "message") if status.get(key))
        return PodTrouble(Trouble.OTHER, _with_detail(f"Pod {_name(pod)} in Failed phase", cause))
    found = next(_container_troubles(pod, now), None)
    return found or _condition_trouble(pod, now)


def _state(pod: Mapping[str, Any], trouble: PodTrouble | None) -> PodState:
    status = _status(pod)
    phase, ready = status.get("phase"), find_condition(status.get("conditions"), "Ready").get("status")
    if pod["metadata"].get("deletionTimestamp") or phase == "Succeeded":
        return PodState.GONE
    if phase == "Failed":
        return PodState.FAILED
    if phase == "Unknown" or ready == "Unknown":
        return PodState.LOST
    if phase == "Running" and ready == "True":
        return PodState.READY
    return PodState.FAILING if trouble is not None else PodState.PENDING


def _container_troubles(pod: Mapping[str, Any], now: datetime) -> Iterator[PodTrouble]:
    status = _status(pod)
    for part, noun in (("initContainerStatuses", "Init container"), ("containerStatuses", "Container")):
        for container in status.get(part) or ():
            name = str(container.get("name", ""))
            found = _container_trouble(container, now)
            if found is not None:
                kind, what, detail = found
                yield PodTrouble(kind, _with_detail(f"{noun} {name} {what} (pod: {_name(pod)})", detail))


def _container_trouble(container: Mapping[str, Any], now: datetime) -> tuple[Trouble, str, str] | None:
    """One container's trouble: its kind, what it is in, and the detail behind it."""
    state = container.get("state") or {}
    last = (container.get("lastState") or {}).get("terminated") or {}
    owner = _blame(str(container.get("name", "")))
    if waiting := state.get("waiting"):
        reason, text = str(waiting.get("reason", "")), str(waiting.get("message", ""))
        kind = classify_waiting(reason, text, owner)
        if kind is not None:
            return kind, f"in {reason}", _end_text(last) if reason == "CrashLoopBackOff" else text
    if (ended := state.get("terminated")) and ended.get("exitCode"):
        return owner, f"in {ended.get('reason', 'Error')}", _end_text(ended)
    restarts = int(container.get("restartCount") or 0)
    recent = age_s(last.get("finishedAt"), now)
    if restarts > MANY_RESTARTS and (not container.get("ready") or (recent is not None and recent < RECENT_S)):
        return owner, f"has {restarts} restarts", _end_text(last)
    return None


def _condition_trouble(pod: Mapping[str, Any], now: datetime) -> PodTrouble | None:
    status, name = _status(pod), _name(pod)
    conditions = status.get("conditions")
    scheduled = find_condition(conditions, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        text = str(scheduled.get("message", ""))
        return PodTrouble(classify_scheduling(text), _with_detail(f"Pod {name} cannot be scheduled", text))
    containers = find_condition(conditions, "ContainersReady")
    if containers.get("status") == "False":
        text = str(containers.get("message", ""))
        if (kind := classify_text(text)) is not None:
            return PodTrouble(kind, _with_detail(f"Pod {name} cannot start its containers", text))
    begun = find_condition(conditions, "PodReadyToStartContainers")
    waited_s = age_s(begun.get("lastTransitionTime") or status.get("startTime"), now)
    if status.get("phase") == "Pending" and begun.get("status") == "False" and (waited_s or 0.0) >= STUCK_S:
        what = "its volumes (ConfigMaps and Secrets among them) are not mounted, or its network is not set up"
        return PodTrouble(Trouble.VOLUME, f"Pod {name} cannot start its containers: {what}")
    return None


def _blame(container: str) -> Trouble:
    return {RUNTIME_CONTAINER: Trouble.RUNTIME, SIDECAR_CONTAINER: Trouble.SIDECAR}.get(container, Trouble.OTHER)


def _end_text(ended: Mapping[str, Any]) -> str:
    if not ended:
        return ""
    text = f"{ended.get('reason', 'Error')}, exit code {ended.get('exitCode', '?')}"
    return f"{text}: {ended['message']}" if ended.get("message") else text


def _with_detail(text: str, detail: str) -> str:
    detail = " ".join(detail.split())
    detail = detail if len(detail) <= LONGEST_DETAIL else f"{detail[: LONGEST_DETAIL - 1]}…"
    return f"{text}: {detail}" if detail else text


def _status(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    status = pod.get("status")
    return status if isinstance(status, Mapping) else {}


def _name(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"].get("name", "?"))
