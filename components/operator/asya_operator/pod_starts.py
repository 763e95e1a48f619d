"""How long pods take from their scheduling to their readiness: image, process, model. Pure.

The sidecar's own ``cold_start_seconds`` goes from its process to its first envelope; what is before, only Kubernetes sees.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from asya_operator.status.observation import find_condition

Key = tuple[str, str]
"""Namespace and name of an actor."""


class PodStarts:
    """Counts each pod once, when it is first seen ready."""

    def __init__(self) -> None:
        self._counted: set[str] | None = None

    def new(self, pods: Iterable[tuple[Key, Mapping[str, Any]]]) -> list[tuple[Key, float]]:
        """Tell the actor and the seconds of each pod that has become ready since the last look.

        Those of the first look were ready before anybody looked, and are not told: a new operator would count all again.

        Args:
            pods: All of them, with their actors.
        """
        ready = {uid: (key, took_s) for key, pod in pods for uid, took_s in _start_of(pod)}
        before, self._counted = self._counted, set(ready)
        return [] if before is None else [told for uid, told in ready.items() if uid not in before]


def _start_of(pod: Mapping[str, Any]) -> list[tuple[str, float]]:
    conditions = (pod.get("status") or {}).get("conditions")
    ready, scheduled = find_condition(conditions, "Ready"), find_condition(conditions, "PodScheduled")
    if ready.get("status") != "True" or not scheduled.get("lastTransitionTime"):
        return []
    took = _moment(ready["lastTransitionTime"]) - _moment(scheduled["lastTransitionTime"])
    return [(str(pod["metadata"].get("uid")), max(0.0, took.total_seconds()))]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
