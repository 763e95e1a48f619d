"""The statuses of an actor: an ordered table of rules; the first that applies gives the status. Pure data.

``docs/operator.md`` is made from it, so what each status means is written here and nowhere else.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from asya_manifest.statuses import WARNINGS
from asya_operator.status.conditions import SCALING_READY, TRANSPORT_READY, WORKLOAD_READY
from asya_operator.status.pod_states import PodsHealth
from asya_operator.status.troubles import Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What rules ask about.

    Attributes:
        deleting: The actor is being deleted.
        failed: Types of the conditions that are False.
        trouble: Of its pods, when that is why.
        scaling_on: KEDA scales it.
        seen: Its workload exists and its controller has seen it.
        rolling_out: Pods of an older template are being replaced.
        desired: Pods wanted.
        pods: Those that there are.
    """

    deleting: bool
    failed: Collection[str]
    trouble: Trouble | None
    scaling_on: bool
    seen: bool
    rolling_out: bool
    desired: int
    pods: PodsHealth


@dataclass(frozen=True, slots=True)
class Rule:
    """One status.

    Attributes:
        status: Its name.
        meaning: One sentence.
        look: How to see more.
        mend: What to do.
        applies: When it is this one, given that no earlier rule applies.
    """

    status: str
    meaning: str
    look: str
    mend: str
    applies: Callable[[Facts], bool]

    @property
    def warning(self) -> bool:
        """Whether reaching it is a Warning."""
        return self.status in WARNINGS


def _pods_have(kind: Trouble) -> Callable[[Facts], bool]:
    return lambda facts: WORKLOAD_READY in facts.failed and facts.trouble is kind


STATUSES: Final[tuple[Rule, ...]] = (
    Rule(
        "Terminating",
        "The actor is being deleted: its workload first, then its queue if nothing is lost by it.",
        "`kubectl get pods -l asya.sh/asya=<actor>` shows the pods that still work.",
        "Wait for its pods' grace period. If it stays, the operator is down: see its log.",
        lambda facts: facts.deleting,
    ),
    Rule(
        "TransportError",
        "The transport is unknown or switched off, or the actor's queue cannot be made or belongs to another actor.",
        "The message of the condition TransportReady names the cause.",
        "`InvalidTransport`: name a transport of the operator's configuration. `QueueNameTaken`: rename the actor, or have "
        "the queue's last owner empty it. `QueueError`: see that the broker runs and that its secret holds the right "
        "password; it is tried again by itself.",
        lambda facts: TRANSPORT_READY in facts.failed,
    ),
    Rule(
        "ImagePullError",
        "A node cannot pull an image.",
        "`kubectl describe pod <pod>` names the image and the registry's answer.",
        "Correct the image's name or tag, or add `imagePullSecrets` to the template.",
        _pods_have(Trouble.IMAGE),
    ),
    Rule(
        "ConfigError",
        "A container refers to a ConfigMap, a Secret or a key that does not exist, or its settings contradict one another.",
        "The message of WorkloadReady names the object or the setting.",
        "Create the object in the actor's namespace, or mark the reference `optional`; pods go on by themselves.",
        _pods_have(Trouble.CONFIG),
    ),
    Rule(
        "VolumeError",
        "A volume cannot be mounted, or a pod got no sandbox or network for two minutes.",
        "`kubectl describe pod <pod>`: the Events FailedMount, FailedAttachVolume, FailedCreatePodSandBox name the cause.",
        "Create the missing claim, ConfigMap or Secret; free a volume that another node holds.",
        _pods_have(Trouble.VOLUME),
    ),
    Rule(
        "RuntimeError",
        "The handler's container `asya-runtime` crashes or cannot be started.",
        "`kubectl logs <pod> -c asya-runtime --previous`; the condition's message has the exit code.",
        "`OOMKilled`: raise `resources.limits.memory`. Exit code 1: the handler cannot be imported or raises while it starts.",
        _pods_have(Trouble.RUNTIME),
    ),
    Rule(
        "SidecarError",
        "The injected container `asya-sidecar` crashes or cannot be started.",
        "`kubectl logs <pod> -c asya-sidecar --previous`: its last line names the setting or the broker.",
        "Correct `spec.sidecar.env` or the operator's transport configuration; see that pods can reach the broker.",
        _pods_have(Trouble.SIDECAR),
    ),
    Rule(
        "PendingResources",
        "No node has room for a pod, or a quota is used up.",
        "The message of WorkloadReady is the scheduler's: which resource, taint or affinity on how many nodes.",
        "Add nodes or let the autoscaler, lower `resources.requests`, or add the toleration that the nodes ask for.",
        _pods_have(Trouble.RESOURCES),
    ),
    Rule(
        "WorkloadError",
        "The spec is not valid, an object was refused by the API server, or a pod fails in another way.",
        "The condition WorkloadReady: `ValidationError` lists every problem with its path, `ReconcileError` has the API "
        "server's answer, `PodsNotHealthy` names the pod.",
        "Correct the manifest and apply it again.",
        lambda facts: WORKLOAD_READY in facts.failed,
    ),
    Rule(
        "ScalingError",
        "KEDA is not installed, refuses the ScaledObject, or cannot read the queue. Pods that run go on.",
        "The message of ScalingReady; `kubectl describe scaledobject <actor>`; the log of keda-operator.",
        "Install KEDA or set `spec.scaling.enabled: false`; see that KEDA can reach the broker with its credentials.",
        lambda facts: facts.scaling_on and SCALING_READY in facts.failed,
    ),
    Rule(
        "Creating",
        "The actor was accepted; its workload has not been seen yet.",
        "`kubectl describe asya <actor>` shows the conditions as they come.",
        "Nothing; if it stays, see the operator's log.",
        lambda facts: not facts.seen,
    ),
    Rule(
        "Napping",
        "Scaled to zero, healthy: the first envelope in its queue wakes it.",
        "`kubectl get asya -o wide`: Queued is 0.",
        "Nothing; `spec.scaling.minReplicas: 1` keeps one awake.",
        lambda facts: facts.scaling_on and facts.desired == 0 and facts.pods.total == 0,
    ),
    Rule(
        "Updating",
        "Pods of an older template are being replaced.",
        "`kubectl rollout status deployment/<actor>`.",
        "Wait. If it stays, new pods do not become ready: see their logs.",
        lambda facts: facts.rolling_out and facts.pods.ready > 0,
    ),
    Rule(
        "ScalingDown",
        "There are more pods than are wanted.",
        "`kubectl get asya`: Total above Desired.",
        "Wait: a pod finishes its envelope first, for as long as `spec.timeout.gracefulShutdown`.",
        lambda facts: facts.pods.total > facts.desired,
    ),
    Rule(
        "Degraded",
        "A pod that is older than five minutes is not ready.",
        "`kubectl get pods -l asya.sh/asya=<actor>`, then the log of that pod's `asya-runtime`.",
        "A model that takes longer to load needs nothing but time; otherwise delete the pod or correct its readiness probe.",
        lambda facts: (
            facts.pods.total == facts.desired and facts.pods.ready < facts.pods.total and facts.pods.old_unready
        ),
    ),
    Rule(
        "ScalingUp",
        "Pods are being made or are starting.",
        "`kubectl get pods -l asya.sh/asya=<actor>`.",
        "Wait; pulling a large image takes minutes.",
        lambda facts: facts.pods.total < facts.desired or (facts.pods.ready < facts.pods.total and not facts.pods.lost),
    ),
    Rule(
        "Running",
        "All wanted pods are ready.",
        "`kubectl get asya -o wide` shows queued envelopes and those in work.",
        "Nothing.",
        lambda facts: facts.pods.ready == facts.desired == facts.pods.total,
    ),
    Rule(
        "Unknown",
        "A pod's node does not answer, so that nobody knows how the pod is.",
        "`kubectl get nodes`, `kubectl describe node <node>`.",
        "Kubernetes replaces the pod after five minutes; a node that is gone for good must be deleted.",
        lambda _: True,
    ),
)


def choose_rule(facts: Facts) -> Rule:
    """The first rule that applies."""
    return next(rule for rule in STATUSES if rule.applies(facts))


def rule_of(status: str) -> Rule | None:
    """The rule that gives a status; ``None`` for a word that is no status."""
    return next((rule for rule in STATUSES if rule.status == status), None)
