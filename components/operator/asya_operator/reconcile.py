"""Reconcile one actor: compare what is declared with what there is, and correct what differs. Level-based.

Whatever led here (a change, a deletion by hand, a timer), the same pass runs and the same result comes of it. Order: the
actor is checked, its queue made, its objects applied, what is wanted no longer deleted, and its status written from
what the watches show. A problem in one step is a condition, not an end: later steps still do what they can.
"""

import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from asya_kube import resources
from asya_kube.api import (
    FIELD_MANAGER,
    ApiConflict,
    ApiError,
    ApiSilent,
    KubeApi,
    ObjectMissing,
    delete_owned,
    is_owned,
)
from asya_manifest.actor import AsyncActor, parse_actor
from asya_manifest.errors import InvalidActor
from asya_manifest.labels import (
    ANNOTATION_AWS_CREDENTIALS,
    ANNOTATION_DELETE_QUEUE,
    FINALIZER,
    service_account_name,
    trigger_auth_name,
)
from asya_operator.applied import Applied, leftovers, object_key
from asya_operator.credentials import CredentialRetries
from asya_operator.event_recorder import Recorder
from asya_operator.finish import Finisher
from asya_operator.kept_queues import KeptQueues
from asya_operator.poller import Depths
from asya_operator.queues import Queues
from asya_operator.settings import OperatorSettings
from asya_operator.specs.context import RenderContext
from asya_operator.specs.render import render
from asya_operator.specs.workload import at_first, holds_replicas, replicas_alone, with_selector_of
from asya_operator.status.compute import compute_status, worth_writing, write_due_s
from asya_operator.status.events import transitions
from asya_operator.status.observation import Finding, Observed
from asya_operator.status.replicas import desired_replicas, latest_failure
from asya_operator.transport_config import TransportConfig, TransportRefused
from asya_operator.world import Key, World
from asya_process.backoff import pause_after
from asya_protocol import names
from asya_protocol.errors import AsyaError

log: Final = logging.getLogger(__name__)

UNSETTLED_S: Final = (5.0, 60.0)
"""How soon to reconcile again an actor whose status may change without any event, such as a pod that becomes old: at
first, and at most. What does change there is seen by the watches at once."""
PROBLEM_S: Final = 15.0
"""How soon to reconcile again an actor with a problem that may have been corrected elsewhere."""
SETTLED_S: Final = 300.0
REPLICAS_MANAGER: Final = "asya-operator-replicas"
"""Field manager that holds a workload's replicas while KEDA decides about them."""
_WORKLOADS: Final = frozenset({resources.DEPLOYMENT, resources.STATEFUL_SET})
_SOURCE_PORT: Final = re.compile(r":\d+->")
"""Of ``10.0.0.1:43210->10.0.0.2:443``, as the API server's own network errors have it."""
_SETTLED: Final = frozenset({"Running", "Napping"})


@dataclass(slots=True)
class _Findings:
    """What is wrong, by the condition that shows it."""

    transport: Finding | None = None
    queue: Finding | None = None
    workload: Finding | None = None
    scaling: Finding | None = None
    again: ApiError | None = None
    """What another try may do better."""

    def refused(self, kind: resources.Kind, error: ApiError, *, scaling: bool) -> None:
        """Take in that the API server did not do something with an object of a kind, of an actor with scaling or without.

        Raises:
            ApiSilent: It does not answer at all; nothing else would go better.
        """
        if isinstance(error, ApiSilent):
            raise error
        finding = Finding("ReconcileError", _refusal_text(kind, error))
        if scaling and kind in (resources.SCALED_OBJECT, resources.TRIGGER_AUTH):
            self.scaling = self.scaling or finding
        else:
            self.workload = self.workload or finding
        if type(error).retryable:
            self.again = self.again or error

    def any(self) -> bool:
        return any((self.transport, self.queue, self.workload, self.scaling))


class Reconciler:
    """Makes the cluster follow actors.

    Args:
        api: The cluster.
        world: What the watches have shown.
        queues: The brokers.
        depths: What the queues were last seen to hold.
        recorder: Writes Kubernetes Events.
        settings: Of the process.
        runtime_source: Text of the runtime that goes into every actor's namespace.
        kept: Where it is written whose the queues are that outlived their actors.
    """

    def __init__(
        self,
        *,
        api: KubeApi,
        world: World,
        queues: Queues,
        depths: Depths,
        recorder: Recorder,
        settings: OperatorSettings,
        runtime_source: str,
        kept: KeptQueues,
    ) -> None:
        self._api = api
        self._world = world
        self._queues = queues
        self._depths = depths
        self._recorder = recorder
        self._settings = settings
        self._context = partial(
            RenderContext,
            sidecar_image=settings.sidecar_image,
            gateway_url=settings.gateway_url,
            runtime_source=runtime_source,
            native_sidecar=settings.native_sidecar,
            restricted=settings.restricted,
            actor_user=settings.actor_user or None,
            queue_names=settings.queue_names,
            handed_on=settings.handed_on,
            monitor_labels=dict(settings.monitor_labels),
        )
        self._kept = kept
        self._applied = Applied()
        self._unsettled: dict[Key, int] = {}
        self._credentials = CredentialRetries()
        self._finisher = Finisher(api, world, queues, recorder, settings, kept=kept)
        self.pod_monitors = False
        """Whether the cluster knows PodMonitors."""
        self.native_histograms = False
        """Whether they may ask for native histograms."""

    async def reconcile(self, key: Key) -> float | None:
        """Reconcile one actor.

        Returns:
            Seconds until the next reconcile; ``None`` when it is gone.

        Raises:
            AsyaError: Something failed that a later reconcile may do better.
        """
        raw = self._world.actor(key)
        if raw is None:
            self._forget(key)
            return None
        if raw["metadata"].get("deletionTimestamp"):
            await self._write_status(raw, self._observe(raw, None, _Findings()))
            return await self._finisher.finish(raw, time.monotonic())
        await self._hold(raw)
        findings = _Findings()
        actor = self._parse(raw, findings)
        if actor is None:
            await self._write_status(raw, self._observe(raw, None, findings))
            return SETTLED_S  # nothing changes until the manifest does
        transport = await self._transport(actor, raw, key, findings)
        if transport is not None:
            await self._ensure_queue(actor, transport, key[0], findings)
            await self._ensure_objects(actor, transport, raw, findings)
        elif findings.queue is not None:
            # Two handlers must not consume one queue: the workload of the younger actor goes.
            await self._sweep(actor, raw, (), findings)
        observed = self._observe(raw, actor, findings)
        status = await self._write_status(
            raw, replace(observed, creation_failure=await self._creation_failure(observed))
        )
        renewal_s = await self._renew_pods(raw, actor)
        if findings.again is not None:
            raise findings.again
        next_s = self._next_s(key, raw, status, findings)
        return next_s if renewal_s is None else min(next_s, renewal_s)

    def _next_s(self, key: Key, raw: Mapping[str, Any], status: Mapping[str, Any], findings: _Findings) -> float:
        """Seconds until the next reconcile, as far as the actor's status goes."""
        if findings.any():
            return PROBLEM_S
        if status.get("status") not in _SETTLED:
            times = self._unsettled[key] = self._unsettled.get(key, 0) + 1
            return unsettled_s(times)
        self._unsettled.pop(key, None)
        written = (self._world.actor(key) or raw).get("status") or {}
        due_s = write_due_s(written, status, datetime.now(UTC))
        return SETTLED_S if due_s is None else min(SETTLED_S, max(1.0, due_s))

    async def _renew_pods(self, raw: Mapping[str, Any], actor: AsyncActor) -> float | None:
        """Recreate pods that did not get their credentials from AWS; returns the seconds until more may be due."""
        if actor.metadata.annotations.get(ANNOTATION_AWS_CREDENTIALS) != "true":
            return None
        namespace, key = raw["metadata"]["namespace"], (raw["metadata"]["namespace"], actor.name)
        pods, again_s = self._credentials.due(key, self._world.pods(key), datetime.now(UTC))
        for pod in pods:
            name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
            try:
                await self._api.delete(resources.POD, namespace, name, uid)
            except ApiConflict:
                continue  # another pod of a StatefulSet has its name by now
            text = f"pod {name} was made before AWS had credentials for its service account, and is made anew"
            await self._recorder.record(raw, "Warning", "CredentialsMissing", text)
        return again_s

    async def _hold(self, raw: Mapping[str, Any]) -> None:
        """Put our finalizer on the actor, so that its queue is thought of before it is gone."""
        meta = raw["metadata"]
        finalizers = list(meta.get("finalizers") or [])
        if FINALIZER not in finalizers:
            changes = {
                "metadata": {"finalizers": [*finalizers, FINALIZER], "resourceVersion": meta.get("resourceVersion")}
            }
            await self._api.patch(resources.ACTOR, meta["namespace"], meta["name"], changes)

    def _parse(self, raw: Mapping[str, Any], findings: _Findings) -> AsyncActor | None:
        document = {name: raw[name] for name in ("apiVersion", "kind", "metadata", "spec") if name in raw}
        try:
            return parse_actor(document)
        except InvalidActor as exc:
            findings.workload = Finding("ValidationError", "; ".join(str(problem) for problem in exc.problems))
            return None

    async def _transport(
        self, actor: AsyncActor, raw: Mapping[str, Any], key: Key, findings: _Findings
    ) -> TransportConfig | None:
        try:
            transport = self._settings.transports.get(actor.spec.transport, key[0])
        except TransportRefused as exc:
            findings.transport = Finding("InvalidTransport", str(exc))
            return None
        if self._world.is_left_behind(key):
            findings.queue = await self._left_behind(actor.name, raw, key, transport)
        if findings.queue is None and (rival := self._world.rival(key)) is not None:
            queue = self._settings.queue_names.queue(actor.name)
            findings.queue = Finding(
                "QueueNameTaken",
                f"queue {queue} belongs to AsyncActor {rival[0]}/{rival[1]}, which "
                f"{'alone may have that name' if rival[1] in names.CREW else 'is older'}: queues are named by the "
                "actor alone; give this actor another name",
            )
        return transport if findings.queue is None else None

    async def _left_behind(
        self, name: str, raw: Mapping[str, Any], key: Key, transport: TransportConfig
    ) -> Finding | None:
        """A queue of another namespace's, whose actor was deleted: free once nothing is in it."""
        queue, (keeper, _) = self._settings.queue_names.queue(name), self._world.rival(key) or key
        try:
            gone = await self._queues.delete(queue, transport, key[0], force=False)
        except AsyaError as exc:
            return Finding("QueueError", str(exc))
        if gone:
            self._world.keep_queue(key, raw, kept=False)
            await self._kept.save(self._world.kept)
            return None
        return Finding(
            "QueueNameTaken",
            f"queue {queue} holds envelopes of AsyncActor {keeper}/{name}, which was deleted: they stay with namespace "
            f"{keeper}. Give this actor another name; or apply the actor there again and let it finish them, or delete "
            f'it there with {ANNOTATION_DELETE_QUEUE}: "true"',
        )

    async def _ensure_queue(
        self, actor: AsyncActor, transport: TransportConfig, namespace: str, findings: _Findings
    ) -> None:
        try:
            await self._queues.ensure(actor, transport, namespace)
        except AsyaError as exc:
            findings.queue = Finding("QueueError", str(exc))

    async def _ensure_objects(
        self, actor: AsyncActor, transport: TransportConfig, raw: Mapping[str, Any], findings: _Findings
    ) -> None:
        namespace = raw["metadata"]["namespace"]
        context = self._context(
            transport=transport,
            pod_monitor=self.pod_monitors,
            native_histograms=self.native_histograms,
            namespace=namespace,
            limits=self._world.limits(namespace),
        )
        try:
            wanted = render(actor, raw["metadata"]["uid"], context)
        except TransportRefused as exc:
            findings.transport = Finding("InvalidTransport", str(exc))
            return
        except AsyaError as exc:
            findings.workload = Finding("RenderError", str(exc))
            return
        for manifest in wanted:
            await self._apply(manifest, actor, findings)
        await self._sweep(actor, raw, wanted, findings)

    async def _apply(self, manifest: dict[str, Any], actor: AsyncActor, findings: _Findings) -> None:
        kind = resources.kind_of(manifest)
        meta = manifest["metadata"]
        present = self._world.find(kind, meta["namespace"], meta["name"])
        now_s = time.monotonic()
        if not self._applied.is_due(manifest, present, now_s):
            return
        try:
            stored = await self._apply_owned(kind, manifest, actor)
        except ApiError as exc:
            findings.refused(kind, exc, scaling=actor.spec.scaling.enabled)
            return
        self._applied.note(manifest, stored, now_s)
        if kind in resources.WATCHED:
            # A reconcile that comes before the watch event must not apply it again.
            self._world.note_answer(kind, stored)
        told = {"namespace": meta["namespace"], "actor": actor.name, "kind": kind.kind, "object_name": meta["name"]}
        log.info("applied", extra=told)

    async def _apply_owned(self, kind: resources.Kind, manifest: dict[str, Any], actor: AsyncActor) -> dict[str, Any]:
        """Apply one object, unless its name is taken by an object of another owner."""
        meta = manifest["metadata"]
        present = None
        if meta.get("ownerReferences"):
            present = await self._api.get(kind, meta["namespace"], meta["name"])
            ours = meta["ownerReferences"][0]["uid"]
            if present is not None and not is_owned(present, ours):
                raise ApiError(
                    f"{kind.kind} {meta['name']} exists and does not belong to this AsyncActor; delete or rename one of them"
                )
        if kind in _WORKLOADS and present is not None:
            manifest = with_selector_of(manifest, present)
        if kind in _WORKLOADS and actor.spec.scaling.enabled:
            if present is None:
                present = await self._api.apply(at_first(manifest, actor))
            if holds_replicas(present, FIELD_MANAGER):
                await self._api.apply(replicas_alone(present), REPLICAS_MANAGER)
        return await self._api.apply(manifest)

    async def _sweep(
        self, actor: AsyncActor, raw: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]], findings: _Findings
    ) -> None:
        """Delete what an earlier spec wanted, such as the ScaledObject of an actor that scales no more."""
        namespace, uid = raw["metadata"]["namespace"], raw["metadata"]["uid"]
        names = {actor.name, trigger_auth_name(actor.name), service_account_name(actor.name)}
        seen = set(self._applied.of_actor(namespace, names, uid))
        for kind in (resources.SCALED_OBJECT, resources.DEPLOYMENT, resources.STATEFUL_SET):
            if is_owned(self._world.find(kind, namespace, actor.name), uid):
                seen.add((kind.kind, namespace, actor.name))
                if kind is resources.SCALED_OBJECT:
                    seen.add((resources.TRIGGER_AUTH.kind, namespace, trigger_auth_name(actor.name)))
        # A workload stays when the one that takes its place was refused.
        kept = _WORKLOADS if findings.workload is not None else frozenset()
        for kind, key in leftovers(resources.OWNED, {object_key(manifest) for manifest in wanted}, seen):
            if kind in kept:
                continue
            try:
                await delete_owned(self._api, kind, key[1], key[2], uid)
            except ApiError as exc:
                findings.refused(kind, exc, scaling=actor.spec.scaling.enabled)
            else:
                self._applied.forget(key)

    def _observe(self, raw: Mapping[str, Any], actor: AsyncActor | None, findings: _Findings) -> Observed:
        meta = raw["metadata"]
        namespace, name = meta["namespace"], meta["name"]
        kind = (raw.get("spec") or {}).get("workload") or {}
        stateful = "StatefulSet" in (kind.get("kind"), kind.get("type"))
        depth = self._depths.of((namespace, name))
        return Observed(
            name=name,
            namespace=namespace,
            generation=int(meta.get("generation", 0)),
            deleting=bool(meta.get("deletionTimestamp")),
            scaling_enabled=bool(((raw.get("spec") or {}).get("scaling") or {}).get("enabled")),
            min_replicas=actor.spec.scaling.min_replicas if actor else 0,
            fixed_replicas=actor.spec.workload.replicas if actor and not actor.spec.scaling.enabled else None,
            transport_problem=findings.transport,
            queue_problem=findings.queue,
            workload_problem=findings.workload,
            scaling_problem=findings.scaling,
            workload=self._world.find(resources.STATEFUL_SET if stateful else resources.DEPLOYMENT, namespace, name),
            pods=self._world.pods((namespace, name)),
            hpa=self._world.find(resources.HPA, namespace, f"keda-hpa-{name}"),
            scaled_object=self._world.find(resources.SCALED_OBJECT, namespace, name),
            ready=depth.ready if depth else None,
            in_flight=depth.in_flight if depth else None,
            previous=raw.get("status") or {},
            now=datetime.now(UTC),
        )

    async def _creation_failure(self, observed: Observed) -> str:
        """Why a StatefulSet could not make a pod lately: unlike a Deployment's, its status does not say."""
        if (observed.workload or {}).get("kind") != resources.STATEFUL_SET.kind or len(
            observed.pods
        ) >= desired_replicas(observed):
            return ""
        about = f"involvedObject.kind=StatefulSet,involvedObject.name={observed.name},reason=FailedCreate"
        try:
            events = await self._api.list(resources.EVENT, observed.namespace, fields=about)
        except ApiError as exc:
            log.warning("events not read", extra={"namespace": observed.namespace, "error": str(exc)})
            return ""
        return latest_failure(events, (observed.workload or {})["metadata"].get("uid"), observed.now)

    async def _write_status(self, raw: Mapping[str, Any], observed: Observed) -> dict[str, Any]:
        status = compute_status(observed)
        if not worth_writing(observed.previous, status, observed.now):
            return status
        gone = {name: None for name in observed.previous if name not in status}
        try:
            stored = await self._api.patch(
                resources.ACTOR, observed.namespace, observed.name, {"status": {**status, **gone}}, "status"
            )
        except ObjectMissing:
            return status
        self._world.note_answer(resources.ACTOR, stored)
        for found in transitions(observed.previous, status):
            await self._recorder.record(raw, found.type, found.reason, found.message)
        return status

    def _forget(self, key: Key) -> None:
        for kind, namespace, name in self._applied.of_actor(key[0], {key[1], trigger_auth_name(key[1])}):
            self._applied.forget((kind, namespace, name))
        self._depths.forget(key)
        self._credentials.forget(key)
        self._unsettled.pop(key, None)


def unsettled_s(times: int) -> float:
    """Seconds until the next reconcile of an actor that was not settled after so many: doubled each time."""
    return pause_after(times, *UNSETTLED_S)


def _refusal_text(kind: resources.Kind, error: ApiError) -> str:
    if isinstance(error, ObjectMissing) and kind.group == "keda.sh":
        return "KEDA CRDs not installed: install KEDA, or set spec.scaling.enabled to false"
    # A text that differs each time would be a change of the status each time, and each such change another reconcile at once.
    return _SOURCE_PORT.sub("->", str(error))
