"""Which operators a cluster has, by their Deployments, and which of two would keep the same actors. Pure; read in two places.

`asya doctor --cluster` names two of them, and the younger of two stands by of itself (``asya_operator.elder``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from asya_manifest.labels import LABEL_ACTOR

SELECTOR: Final = f"app.kubernetes.io/part-of=asya,!{LABEL_ACTOR}"
"""Of the Deployments among which an operator is: of a mesh, and of none of its actors."""
CURE: Final = "give one of them an operatorClass, or both different watchNamespaces; see docs/operator.md"


@dataclass(frozen=True, slots=True)
class Operator:
    """One Deployment of an operator.

    Attributes:
        namespace: Its own.
        name: Of the Deployment.
        ready: Whether a pod of it is.
        wanted: Whether it shall have pods, and is not being deleted.
        created: When the Deployment was made, as the API server writes it.
        its_class: Of the actors that it keeps.
        watches: The namespaces of those; none are all.
    """

    namespace: str
    name: str
    ready: bool
    wanted: bool
    created: str
    its_class: str
    watches: frozenset[str]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def meets(self, other: "Operator") -> bool:
        """Whether an actor can be of both."""
        apart = self.watches and other.watches and not self.watches & other.watches
        return self.its_class == other.its_class and not apart


def read_operator(deployment: Mapping[str, Any]) -> Operator | None:
    """What a Deployment says, as the API server shows it; ``None`` for one of something else."""
    meta, spec = deployment["metadata"], deployment["spec"]
    for each in spec["template"]["spec"]["containers"]:
        env = {entry["name"]: str(entry.get("value") or "") for entry in each.get("env") or []}
        if each["name"] == "manager" and "ASYA_TRANSPORT_CONFIG" in env:
            return Operator(
                meta["namespace"],
                meta["name"],
                ready=bool((deployment.get("status") or {}).get("readyReplicas")),
                wanted=spec.get("replicas") != 0 and not meta.get("deletionTimestamp"),
                created=str(meta.get("creationTimestamp") or ""),
                its_class=env.get("ASYA_OPERATOR_CLASS", ""),
                watches=frozenset(env.get("ASYA_WATCH_NAMESPACES", "").replace(",", " ").split()),
            )
    return None
