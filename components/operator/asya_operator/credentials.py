"""Which pods started before AWS had credentials for their service account, and when to recreate them. Pure.

A Pod Identity association takes effect some seconds after it is made, and credentials reach a pod only when it is admitted:
one that is made before never gets any, restarts of its containers do not help. Each pod is made anew once at most, and those
of an actor at growing intervals, since there may be no association at all.
https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from asya_operator.status.observation import age_s
from asya_operator.world import Key
from asya_process.backoff import pause_after

FIRST_S: Final = 10.0
"""How old a pod must be, and the first pause between two rounds: associations take 5 to 10 seconds to take effect."""
LONGEST_S: Final = 600.0


@dataclass(slots=True)
class _Tries:
    count: int = 0
    at: datetime | None = None
    replaced: set[str] = field(default_factory=set)


class CredentialRetries:
    """Rounds by actor."""

    def __init__(self) -> None:
        self._tries: dict[Key, _Tries] = {}

    def due(
        self, key: Key, pods: Sequence[Mapping[str, Any]], now: datetime
    ) -> tuple[list[Mapping[str, Any]], float | None]:
        """Choose an actor's pods to recreate now.

        Args:
            key: The actor, whose service account is to have credentials.
            pods: As the watch shows them.
            now: The present moment, in UTC.

        Returns:
            The pods, and the seconds until others may be due; ``None`` when all have credentials.
        """
        living = [pod for pod in pods if _lives(pod)]
        lacking = [pod for pod in living if not pod["spec"].get("awsCredentials")]
        if not lacking:
            if living:
                self.forget(key)
            return [], None
        tries = self._tries.setdefault(key, _Tries())
        pause_s = pause_after(tries.count + 1, FIRST_S, LONGEST_S)
        waited_s = _age_s(lacking, now) if tries.at is None else (now - tries.at).total_seconds()
        if waited_s < pause_s:
            return [], pause_s - waited_s
        chosen = [pod for pod in lacking if pod["metadata"].get("uid") not in tries.replaced]
        if chosen:
            tries.count, tries.at = tries.count + 1, now
            tries.replaced |= {str(pod["metadata"].get("uid")) for pod in chosen}
        return chosen, pause_after(tries.count + 1, FIRST_S, LONGEST_S)

    def forget(self, key: Key) -> None:
        """The actor is gone, or its pods have credentials."""
        self._tries.pop(key, None)


def _lives(pod: Mapping[str, Any]) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and not pod["metadata"].get("deletionTimestamp")


def _age_s(pods: Sequence[Mapping[str, Any]], now: datetime) -> float:
    """Of the oldest pod."""
    return max(age_s(pod["metadata"].get("creationTimestamp"), now) or 0.0 for pod in pods)
