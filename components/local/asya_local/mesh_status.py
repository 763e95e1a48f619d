"""The status of the mesh and of its actors, and the rule that names an actor's status. Pure."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

ActorState = Literal["Napping", "ScalingUp", "Running", "ScalingDown", "Degraded", "RuntimeError"]


@dataclass(frozen=True, slots=True)
class ActorStatus:
    """One actor as it is now.

    Attributes:
        name: The actor.
        status: Its state in a word.
        replicas: Replicas ready to work.
        desired: Replicas that there should be.
        min: Lower bound.
        max: Upper bound, this machine's cap included.
        queued: Envelopes waiting, delayed ones included.
        in_flight: Envelopes received and not settled.
        done: Processed since the mesh came up.
        failed: Failed since the mesh came up.
        restarts: Processes started again after they died.
        message: What a person should know, else empty.
        rate: Envelopes finished per second over the last ten seconds, failed ones included.
        p50_s: Median of the handler calls in that time, ``None`` when there was none; 120 stands for all that is longer.
        oldest_s: How long the oldest envelope has been waiting, about; ``None`` when none waits.
        python: The interpreter of its handler, and who chose it.
        p99_s: The 99th percentile of those calls.
    """

    name: str
    status: ActorState
    replicas: int
    desired: int
    min: int
    max: int
    queued: int
    in_flight: int
    done: int
    failed: int
    restarts: int
    message: str = ""
    rate: float = 0.0
    p50_s: float | None = None
    oldest_s: float | None = None
    python: str = ""
    p99_s: float | None = None


@dataclass(frozen=True, slots=True)
class MeshStatus:
    """The mesh as it was at its last beat.

    Attributes:
        running: Whether its supervisor lives.
        transport: Its broker's kind; empty when no mesh is there.
        updated_at: Unix time of the last beat, 0 when there was none.
        actors: By name.
        message: Trouble that concerns all (manifests that cannot be read, a broker away), else empty.
    """

    running: bool
    transport: str
    updated_at: float
    actors: list[ActorStatus]
    message: str = ""

    def as_json(self) -> dict[str, Any]:
        """Shape it for ``--json``."""
        return asdict(self)


def name_state(*, ready: int, present: int, desired: int, runtime_fails: bool, trouble: bool) -> ActorState:
    """Name an actor's state.

    Args:
        ready: Replicas that can work.
        present: Replicas that are there, ready or not, those that are ending excluded.
        desired: Replicas that there should be.
        runtime_fails: A runtime keeps dying.
        trouble: Anything else is wrong: a sidecar keeps dying, the queue cannot be measured.
    """
    if runtime_fails:
        return "RuntimeError"
    if trouble:
        return "Degraded"
    if present > desired:
        return "ScalingDown"
    if ready < desired:
        return "ScalingUp"
    return "Running" if desired else "Napping"
