"""What the watches have shown of the cluster: the last state of every object that concerns an actor. No I/O.

Objects are kept trimmed to what is read of them, so that a thousand actors with their pods stay within tens of MB.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from asya_kube import resources
from asya_kube.resources import Kind
from asya_manifest.errors import InvalidLimit
from asya_manifest.labels import LABEL_ACTOR, LABEL_SCALED_OBJECT, RUNTIME_CONFIG_MAP
from asya_manifest.limit import LimitSpec, parse_limit
from asya_protocol import names

Key = tuple[str, str]
"""Namespace and name of an actor."""
_Queue = tuple[str, str]
"""Where queues of its transport are, and the actor's name: what names a queue."""
_HEAVY: Final = ("managedFields",)
_WORKLOADS: Final = frozenset({resources.DEPLOYMENT.kind, resources.STATEFUL_SET.kind})
_READ_OF_WORKLOADS: Final = frozenset({"replicas", "updateStrategy"})
_SCALERS: Final = frozenset({resources.SCALED_OBJECT.kind, resources.HPA.kind})
_AWS_CREDENTIALS: Final = frozenset({"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"})
"""Variables that AWS's webhooks put into the containers of a pod: of Pod Identity, of roles for service accounts."""
_GONE_MOST: Final = 10_000
"""Deleted objects that are remembered, the latest of them; an answer of the API server is on its way for seconds at most."""
_VERSION: Final = ("name", "namespace", "generation", "resourceVersion")


class World:
    """The last seen state of actors and of what belongs to them.

    Args:
        operator_class: Of the actors that are ours; others are seen, and left to their operator.
        places: Where the queues of each transport are; two transports may lead to one broker.
        crew_namespace: To which the names of the crew belong; empty is whoever is first.
    """

    def __init__(
        self, operator_class: str = "", places: Mapping[str, str] | None = None, crew_namespace: str = ""
    ) -> None:
        self._class = operator_class
        self._places = places or {}
        self._crew_namespace = crew_namespace
        self._others: set[Key] = set()
        self._actors: dict[Key, dict[str, Any]] = {}
        self._by_queue: dict[_Queue, set[Key]] = {}
        self._objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._pods: dict[Key, dict[str, dict[str, Any]]] = {}
        self._limits: dict[Key, LimitSpec] = {}
        self._gone: dict[tuple[str, str, str], str] = {}
        self.kept: dict[str, str] = {}
        """Namespaces to which queues belong whatever actors there are, by ``kept_key``."""

    def actors(self) -> Iterator[tuple[Key, dict[str, Any]]]:
        """Every actor."""
        yield from list(self._actors.items())

    def knows(self, key: Key) -> bool:
        """Whether the watch has shown an actor, ours or another operator's."""
        return key in self._actors or key in self._others

    def actor(self, key: Key) -> dict[str, Any] | None:
        """One actor as the API server last showed it."""
        return self._actors.get(key)

    def find(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """One watched object."""
        return self._objects.get((kind.kind, namespace, name))

    def limits(self, namespace: str) -> dict[str, LimitSpec]:
        """The limits of a namespace by name; those that break a rule are not among them."""
        return {name: spec for (there, name), spec in self._limits.items() if there == namespace}

    def pods(self, key: Key) -> list[dict[str, Any]]:
        """The pods of an actor."""
        return list(self._pods.get(key, {}).values())

    def rival(self, key: Key) -> Key | None:
        """The actor that has the same queue from another namespace; ``None`` when the queue is this actor's.

        The first created keeps the queue; of two of the same second the first by namespace. Those of the crew belong to
        its namespace, whether its actor is there or not, and one that outlived its actor to that one's namespace.
        """
        namespace, name = key
        if name in names.CREW and self._crew_namespace:
            return None if namespace == self._crew_namespace else (self._crew_namespace, name)
        actor = self._actors.get(key)
        if actor is None:
            return None
        queue = self._queue(key, actor)
        if keeper := self.kept.get(kept_key(*queue)):
            return None if keeper == namespace else (keeper, name)
        sharing = self._by_queue.get(queue, set())
        first = min(sharing, key=self._age, default=key)
        return None if first == key else first

    def is_left_behind(self, key: Key) -> bool:
        """Whether an actor's queue is kept for another namespace that has no actor with it at present."""
        actor = self._actors.get(key)
        if actor is None or (key[1] in names.CREW and self._crew_namespace):
            return False
        queue = self._queue(key, actor)
        keeper = self.kept.get(kept_key(*queue), key[0])
        return keeper != key[0] and (keeper, key[1]) not in self._by_queue.get(queue, set())

    def keep_queue(self, key: Key, body: Mapping[str, Any], *, kept: bool) -> bool:
        """Note that an actor's queue belongs to its namespace from now on, or to whoever is first; whether that is new."""
        name = kept_key(*self._queue(key, body))
        before = self.kept.pop(name, None)
        if kept:
            self.kept[name] = key[0]
        return before != (key[0] if kept else None)

    def note(self, kind: Kind, event: str | None, body: Mapping[str, Any]) -> list[Key]:
        """Take in one watch event.

        Args:
            kind: The object's kind.
            event: ``ADDED``, ``MODIFIED``, ``DELETED``, or ``None`` for what existed when the watch began.
            body: The object.

        Returns:
            Actors to reconcile.
        """
        meta = body["metadata"]
        namespace, name = meta["namespace"], meta["name"]
        gone = event == "DELETED"
        if gone:
            self._forget((kind.kind, namespace, name), str(meta.get("uid", "")))
        if kind is resources.ACTOR:
            anothers = self._is_anothers((namespace, name), body, gone=gone)
            return self._note_actor((namespace, name), body, gone=gone or anothers)
        if kind is resources.LIMIT:
            return self._note_limit((namespace, name), body, gone=gone)
        labels = meta.get("labels") or {}
        if kind is resources.POD:
            return self._note_pod((namespace, labels.get(LABEL_ACTOR, "")), name, body, gone=gone)
        self._keep((kind.kind, namespace, name), body, gone=gone)
        if kind is resources.CONFIG_MAP and name == RUNTIME_CONFIG_MAP:
            return [key for key in self._actors if key[0] == namespace]
        owner = labels.get(LABEL_SCALED_OBJECT, name) if kind is resources.HPA else labels.get(LABEL_ACTOR, name)
        return [(namespace, owner)] if (namespace, owner) in self._actors else []

    def note_answer(self, kind: Kind, body: Mapping[str, Any]) -> None:
        """Take in what the API server answered to a change of ours, before the watch shows it.

        Not where the watch has shown since that the object is gone, as it may of one that waited for its finalizers: it would
        be taken for present until the next thing happens to it.
        """
        meta = body["metadata"]
        if not meta.get("uid") or self._gone.get((kind.kind, meta["namespace"], meta["name"])) != meta["uid"]:
            self.note(kind, "MODIFIED", body)

    def _forget(self, key: tuple[str, str, str], uid: str) -> None:
        self._gone.pop(key, None)  # so that it is the latest again
        self._gone[key] = uid
        if len(self._gone) > _GONE_MOST:
            del self._gone[next(iter(self._gone))]

    def _is_anothers(self, key: Key, body: Mapping[str, Any], *, gone: bool) -> bool:
        """Whether another operator keeps it: then it is gone from here, and that one goes on with all that belongs to it."""
        others = ((body.get("spec") or {}).get("operatorClass") or "") != self._class
        (self._others.add if others and not gone else self._others.discard)(key)
        return others

    def _note_actor(self, key: Key, body: Mapping[str, Any], *, gone: bool) -> list[Key]:
        before = self._actors.get(key)
        sharing = self._by_queue.setdefault(self._queue(key, body), set())
        affected: set[Key] = set()
        if before is not None and self._queue(key, before) != self._queue(key, body):
            left = self._by_queue.get(self._queue(key, before), set())
            left.discard(key)
            affected |= left
            if not left:
                self._by_queue.pop(self._queue(key, before), None)
        if gone:
            self._actors.pop(key, None)
            sharing.discard(key)
        else:
            self._actors[key] = _trimmed(body)
        if gone or key not in sharing:
            affected |= sharing  # the actor that has the queue may be another one now
        if not gone:
            sharing.add(key)
        elif not sharing:  # names are users' to choose, and they may make and delete actors without end
            self._by_queue.pop(self._queue(key, body), None)
        return [key, *sorted(affected)]

    def _note_limit(self, key: Key, body: Mapping[str, Any], *, gone: bool) -> list[Key]:
        """Every actor that names it is told other figures."""
        self._limits.pop(key, None)
        if not gone:
            document = {name: body[name] for name in ("apiVersion", "kind", "metadata", "spec") if name in body}
            with suppress(
                InvalidLimit
            ):  # the API server has refused most of those; who names it says that it is not there
                self._limits[key] = parse_limit(document).spec
        return [other for other, actor in self._actors.items() if other[0] == key[0] and key[1] in _named_limits(actor)]

    def _note_pod(self, key: Key, name: str, body: Mapping[str, Any], *, gone: bool) -> list[Key]:
        pods = self._pods.setdefault(key, {})
        if gone:
            pods.pop(name, None)
            if not pods:
                del self._pods[key]
        else:
            pods[name] = _pod_trimmed(body)
        return [key] if key in self._actors else []

    def _keep(self, key: tuple[str, str, str], body: Mapping[str, Any], *, gone: bool) -> None:
        if gone:
            self._objects.pop(key, None)
        elif key[0] in _WORKLOADS:
            self._objects[key] = _without_template(body)
        elif key[0] in _SCALERS:
            self._objects[key] = _trimmed(body)
        else:
            self._objects[key] = _version_alone(body)

    def _queue(self, key: Key, body: Mapping[str, Any]) -> _Queue:
        transport = str((body.get("spec") or {}).get("transport", ""))
        return self._places.get(transport, transport), key[1]

    def _age(self, key: Key) -> tuple[str, str]:
        return str(self._actors[key]["metadata"].get("creationTimestamp", "")), key[0]


def kept_key(place: str, actor: str) -> str:
    """Name a queue in the list of those that are kept: a ConfigMap's keys are letters, digits, ``-``, ``_`` and ``.``. Pure."""
    return f"{actor}.{hashlib.sha256(place.encode()).hexdigest()[:16]}"


def _named_limits(actor: Mapping[str, Any]) -> set[str]:
    uses = (actor.get("spec") or {}).get("limits") or []
    return {str(use.get("name")) for use in uses if isinstance(use, Mapping)}


def _trimmed(body: Mapping[str, Any]) -> dict[str, Any]:
    meta = {name: value for name, value in body["metadata"].items() if name not in _HEAVY}
    return {**body, "metadata": meta}


def _without_template(body: Mapping[str, Any]) -> dict[str, Any]:
    """A workload without its pod template, of whose changes the generation is enough."""
    trimmed = _trimmed(body)
    trimmed["spec"] = {name: value for name, value in (body.get("spec") or {}).items() if name in _READ_OF_WORKLOADS}
    return trimmed


def _version_alone(body: Mapping[str, Any]) -> dict[str, Any]:
    """The version of an object of which nothing else is read."""
    return {"metadata": {name: value for name, value in body["metadata"].items() if name in _VERSION}}


def _pod_trimmed(body: Mapping[str, Any]) -> dict[str, Any]:
    """A pod with what it is judged by: names of containers, restart policies, status, and whether AWS gave it credentials."""
    spec = body.get("spec") or {}
    kept = {
        part: [{key: each[key] for key in ("name", "restartPolicy") if key in each} for each in spec.get(part) or []]
        for part in ("containers", "initContainers")
    }
    variables = (entry["name"] for each in spec.get("containers") or [] for entry in each.get("env") or [])
    given = {} if _AWS_CREDENTIALS.isdisjoint(variables) else {"awsCredentials": True}
    return {**_trimmed(body), "spec": {**kept, **given}, "status": _without_logs(spec, body.get("status") or {})}


def _without_logs(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """A pod's status without what is log of a container that ended: who may read actors need not be let read logs.

    Source: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
    """
    logged = {
        each["name"]
        for part in ("containers", "initContainers")
        for each in spec.get(part) or []
        if each.get("terminationMessagePolicy") == "FallbackToLogsOnError"
    }
    if not logged:
        return dict(status)
    lists = ("containerStatuses", "initContainerStatuses")
    return {
        name: [_ended_without_words(each) if each.get("name") in logged else each for each in value]
        if name in lists
        else value
        for name, value in status.items()
    }


def _ended_without_words(container: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(container)
    for when in ("state", "lastState"):
        if ended := (found.get(when) or {}).get("terminated"):
            found[when] = {"terminated": {key: value for key, value in ended.items() if key != "message"}}
    return found
