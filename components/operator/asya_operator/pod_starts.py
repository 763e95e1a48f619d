"""How long pods take from their scheduling to their readiness: image, process, model. Pure.

The sidecar's own ``cold_start_seconds`` goes from its process to its first envelope; what is before, only Kubernetes sees: how
long it took until the sidecar's container ran is told apart, so that both make the way from scheduling to the first envelope.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asya_manifest.pod import SIDECAR_CONTAINER
from asya_operator.status.observation import find_condition

Key = tuple[str, str]
"""Namespace and name of an actor."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a pod came up, from its scheduling on.

    Attributes:
        ready_s: Until it was ready.
        sidecar_s: Until its sidecar ran; ``None`` where the sidecar was started again since, and nobody can tell.
    """

    ready_s: float
    sidecar_s: float | None


class PodStarts:
    """Counts each pod once, when it is first seen ready."""

    def __init__(self) -> None:
        self._counted: set[str] | None = None

    def new(self, pods: Iterable[tuple[Key, Mapping[str, Any]]]) -> list[tuple[Key, Start]]:
        """Tell the actor and the start of each pod that has become ready since the last look.

        Those of the first look were ready before anybody looked, and are not told: a new operator would count all again.

        Args:
            pods: All of them, with their actors.
        """
        ready = {uid: (key, start) for key, pod in pods for uid, start in _start_of(pod)}
        before, self._counted = self._counted, set(ready)
        return [] if before is None else [told for uid, told in ready.items() if uid not in before]


def _start_of(pod: Mapping[str, Any]) -> list[tuple[str, Start]]:
    status = pod.get("status") or {}
    conditions = status.get("conditions")
    ready, scheduled = find_condition(conditions, "Ready"), find_condition(conditions, "PodScheduled")
    if ready.get("status") != "True" or not scheduled.get("lastTransitionTime"):
        return []
    since = _moment(scheduled["lastTransitionTime"])
    running = [
        began
        for part in ("containerStatuses", "initContainerStatuses")
        for each in status.get(part) or ()
        if each.get("name") == SIDECAR_CONTAINER and not each.get("restartCount")
        if (began := ((each.get("state") or {}).get("running") or {}).get("startedAt"))
    ]
    ready_s = _passed_s(since, ready["lastTransitionTime"])
    return [(str(pod["metadata"].get("uid")), Start(ready_s, _passed_s(since, running[0]) if running else None))]


def _passed_s(since: datetime, until: str) -> float:
    return max(0.0, (_moment(until) - since).total_seconds())


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
