"""An actor as the console shows it; unknown values are ``None``, never 0. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from asya_manifest.explanation import ActorFacts

SHOWN_MOST: Final = 300
"""More than anyone reads, and few enough to send every two seconds."""
CALM: Final = frozenset({None, "Running", "Napping", "ScalingUp", "ScalingDown", "Creating", "Updating", "Terminating"})
"""States that need no attention."""


@dataclass(frozen=True, slots=True)
class ActorView:
    """One actor.

    Attributes:
        name: The actor.
        namespace: Where it is declared, in a cluster.
        status: Its state in a word, such as Running or Napping.
        message: What a person should know, else empty.
        ready: Replicas that work.
        desired: Replicas that there should be.
        queued: Envelopes that wait, delayed ones included.
        in_flight: Envelopes that are worked on.
        dead_letters: Entries of its dead letter queue.
        rate: Envelopes that it finishes per second.
        p50_s: Median of its handler calls.
        p99_s: Their 99th percentile.
        oldest_s: How long the first of its queue has been waiting.
    """

    name: str
    namespace: str | None = None
    status: str | None = None
    message: str = ""
    ready: int | None = None
    desired: int | None = None
    queued: int | None = None
    in_flight: int | None = None
    dead_letters: int | None = None
    rate: float | None = None
    p50_s: float | None = None
    p99_s: float | None = None
    oldest_s: float | None = None


@dataclass(frozen=True, slots=True)
class ActorList:
    """A snapshot of all actors.

    Attributes:
        source: Where the list is from: ``kubernetes``, ``mesh`` or ``queues``.
        actors: By name.
        problems: What could not be found out, in words.
    """

    source: str
    actors: tuple[ActorView, ...] = ()
    problems: tuple[str, ...] = ()


def list_body(found: ActorList, part: str = "") -> dict[str, object]:
    """Shape a list for JSON; unknown values are null.

    Of more than ``SHOWN_MOST`` it has the most urgent: in trouble, with dead letters, with the longest queues.

    Args:
        found: All of them.
        part: Only those whose names have it in them.
    """
    named = [actor for actor in found.actors if part in actor.name]
    shown = {id(actor) for actor in sorted(named, key=_urgency)[:SHOWN_MOST]}
    return {
        "source": found.source,
        "problems": found.problems,
        "total": len(named),
        "dead_letters": sum(actor.dead_letters or 0 for actor in found.actors),
        "actors": [asdict(actor) for actor in named if id(actor) in shown],
    }


def facts_of(actor: ActorView) -> ActorFacts:
    """Return what an explanation needs to know of an actor."""
    return ActorFacts(
        actor.name, actor.status or "", actor.message, actor.ready, actor.desired, actor.queued, actor.in_flight
    )


def view_of_object(document: Mapping[str, Any]) -> ActorView:
    """Read an AsyncActor as Kubernetes shows it; its operator may not have written a status yet."""
    metadata, status = document["metadata"], document.get("status") or {}
    conditions = [
        found for found in status.get("conditions") or () if found.get("type") != "Ready"
    ]  # the sum of the others
    troubles = [found for found in conditions if found.get("status") == "False" and found.get("message")]
    return ActorView(
        name=str(metadata["name"]),
        namespace=metadata.get("namespace"),
        status=str(status.get("status") or "Unknown"),
        message=str(troubles[0]["message"]) if troubles else "",
        ready=_count(status.get("readyReplicas")),
        desired=_count(status.get("desiredReplicas")),
        queued=_count(status.get("queuedMessages")),
        in_flight=_count(status.get("processingMessages")),
    )


_MESH: Final = {
    "name": str, "status": str, "message": str, "replicas": int, "desired": int, "queued": int, "in_flight": int,
    "rate": float | int, "p50_s": float | int | None, "p99_s": float | int | None, "oldest_s": float | int | None,
}  # fmt: skip
"""Fields of the local mesh's status file that are read here, and their types."""


def views_of_mesh(document: object) -> list[ActorView]:
    """Read the status file of a local mesh.

    Raises:
        ValueError: It is something else.
    """
    actors = document.get("actors") if isinstance(document, dict) else None
    if not isinstance(actors, list) or not all(_is_mesh_actor(actor) for actor in actors):
        raise ValueError("no status of a local mesh that this gateway can read")
    return [
        ActorView(
            **{name: actor.get(name) for name in _MESH if name != "replicas"},
            ready=actor["replicas"],
        )
        for actor in actors
    ]


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _urgency(actor: ActorView) -> tuple[bool, bool, int]:
    return actor.status in CALM, not actor.dead_letters, -(actor.queued or 0)


def _is_mesh_actor(actor: object) -> bool:
    return isinstance(actor, dict) and all(isinstance(actor.get(name), kind) for name, kind in _MESH.items())
