"""The operator's metrics, as ``metric_table`` declares them. Labels are bounded by kinds, verbs and the actors that exist.

Only the replica that leads watches actors and counts queues, so it alone has series by actor; they end with its process.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from prometheus_client import generate_latest

from asya_manifest.cluster_needs import HOLES, Hole, parsed
from asya_manifest.gpus import gpus_of_replica
from asya_manifest.policies import Scaling
from asya_manifest.support_ends import support_ends
from asya_operator import metric_table as table
from asya_operator.pod_starts import Start
from asya_operator.status.observation import find_condition
from asya_process.metrics import Maker
from asya_transport.port import Depth

PREFIX: Final = "asya_operator"
FALLBACK: Final = "Fallback"
"""KEDA's condition of a ScaledObject whose trigger cannot be read."""
Key = tuple[str, str]
"""Namespace and name of an actor."""
_MOST_REPLICAS: Final = Scaling().max_replicas
"""Where a manifest does not say."""


class Metrics:
    """Counters and gauges of one operator process."""

    def __init__(self) -> None:
        make: Final = Maker(PREFIX)
        self.registry: Final = make.registry
        self.reconciles: Final = make.counter(table.RECONCILES)
        self.reconcile_seconds: Final = make.histogram(table.RECONCILE)
        self.api_calls: Final = make.counter(table.API_CALLS)
        self.api_seconds: Final = make.histogram(table.API)
        self.actors: Final = make.gauge(table.ACTORS)
        self.waiting: Final = make.gauge(table.WAITING)
        self.leader: Final = make.gauge(table.LEADER)
        self._ready: Final = make.gauge(table.ACTORS_READY)
        self._status: Final = make.gauge(table.ACTOR_STATUS)
        self._condition: Final = make.gauge(table.CONDITION)
        self._replicas: Final = make.gauge(table.REPLICAS)
        self._gpus: Final = make.gauge(table.REPLICA_GPUS)
        self._pod_start: Final = make.histogram(table.POD_START)
        self._sidecar_start: Final = make.histogram(table.SIDECAR_START)
        self._queue: Final = make.gauge(table.QUEUE)
        self._dead: Final = make.gauge(table.DEAD)
        self._rounds: Final = make.counter(table.COUNTED)
        self._part: Final = make.gauge(table.PART)
        self._part_ends: Final = make.gauge(table.PART_ENDS)
        self._hole: Final = make.gauge(table.HOLE)
        self._away: Final = make.gauge(table.BROKER_AWAY)
        self._alarm: Final = make.gauge(table.BROKER_ALARM)
        self._requests: Mapping[str, int] = {}
        make.watch(table.BROKER_REQUESTS, lambda: {(call,): count for call, count in self._requests.items()})

    def observe_call(self, verb: str, plural: str, status: int, seconds: float) -> None:
        """Count one request to the Kubernetes API."""
        self.api_calls.labels(verb, plural, str(status) if status else "none").inc()
        self.api_seconds.observe(seconds)

    def count_rounds(self, rounds: Mapping[str, bool]) -> None:
        """The queues of these transports, and of no others, were looked at (true), or could not be."""
        self._away.clear()
        for transport, well in rounds.items():
            self._rounds.labels(transport, "ok" if well else "error").inc()
            self._away.labels(transport).set(not well)

    def show_alarms(self, alarms: Mapping[str, Iterable[str]]) -> None:
        """What keeps brokers from taking envelopes, by transport."""
        self._alarm.clear()
        for transport, found in alarms.items():
            for alarm in found:
                self._alarm.labels(transport, alarm).set(1)

    def count_requests(self, requests: Mapping[str, int]) -> None:
        """So many requests the brokers have got, by call."""
        self._requests = requests

    def show_actors(
        self, actors: Iterable[tuple[Key, Mapping[str, Any]]], scaler: Callable[[Key], Mapping[str, Any] | None]
    ) -> None:
        """Show every actor's status, conditions, replicas and their GPUs; those that are gone leave.

        Args:
            actors: As the API server showed them.
            scaler: Finds an actor's ScaledObject, whose condition Fallback is KEDA's word.
        """
        for gauge in (self.actors, self._ready, self._status, self._condition, self._replicas, self._gpus):
            gauge.clear()
        statuses: Counter[str] = Counter()
        readiness: Counter[str] = Counter()
        for (namespace, name), raw in actors:
            status, scaling = raw.get("status") or {}, (raw.get("spec") or {}).get("scaling") or {}
            word = str(status.get("status") or "New")
            statuses[word] += 1
            readiness[str(find_condition(status.get("conditions"), "Ready").get("status") or "Unknown")] += 1
            self._status.labels(name, namespace, word).set(1)
            for each in status.get("conditions") or ():
                if each.get("status") in {"True", "False"}:
                    self._condition.labels(name, namespace, each["type"]).set(each["status"] == "True")
            keda = ((scaler((namespace, name)) or {}).get("status") or {}).get("conditions")
            if (fallback := find_condition(keda, FALLBACK).get("status")) in {"True", "False"}:
                self._condition.labels(name, namespace, FALLBACK).set(fallback == "True")
            counts = {"ready": status.get("readyReplicas"), "desired": status.get("desiredReplicas")}
            if scaling.get("enabled"):
                counts["max"] = scaling.get("maxReplicas", _MOST_REPLICAS)
            for kind, count in counts.items():
                if count is not None:
                    self._replicas.labels(name, namespace, kind).set(count)
            if gpus := gpus_of_replica(raw):
                self._gpus.labels(name, namespace).set(gpus)
        for gauge, counted in ((self.actors, statuses), (self._ready, readiness)):
            for word, count in counted.items():
                gauge.labels(word).set(count)

    def observe_starts(self, starts: Iterable[tuple[Key, Start]]) -> None:
        """Pods of these actors became ready."""
        for (namespace, name), start in starts:
            self._pod_start.labels(name, namespace).observe(start.ready_s)
            if start.sidecar_s is not None:
                self._sidecar_start.labels(name, namespace).observe(start.sidecar_s)

    def show_queues(self, depths: Iterable[tuple[Key, Depth]], dead: Iterable[tuple[Key, Depth]]) -> None:
        """Show what queues were last seen to hold."""
        self._queue.clear()
        self._dead.clear()
        for (namespace, name), depth in depths:
            for state in ("ready", "in_flight", "delayed"):
                self._queue.labels(name, namespace, state).set(getattr(depth, state))
        for (namespace, name), depth in dead:
            self._dead.labels(name, namespace).set(depth.total)

    def show_parts(self, parts: Iterable[tuple[str, str]]) -> None:
        """Show which versions of what the mesh stands on were found, and what is known of them.

        Args:
            parts: Name and version of each; a version that is empty was not told.
        """
        for gauge in (self._part, self._part_ends, self._hole):
            gauge.clear()
        for part, version in parts:
            if version:
                self._part.labels(part, version).set(1)
            if (ends := support_ends(part, version)) is not None:
                over = datetime.combine(ends, datetime.max.time(), UTC)
                self._part_ends.labels(part, version).set(int(over.timestamp()))
            for hole in known_holes(part, version):
                self._hole.labels(part, version, hole.name).set(1)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)


def known_holes(part: str, version: str) -> Iterator[Hole]:
    """Yield the holes that a version has."""
    have = parsed(version)
    for hole in HOLES:
        if hole.part == part and have is not None and have < (parsed(hole.mended) or ()):
            yield hole
