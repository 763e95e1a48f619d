"""The end of an actor: its workload goes first, then its queue if nothing is lost by it, then the finalizer.

A queue that holds anything stays, with its dead letters, and an Event says so: whoever applies the actor again goes on
where it stopped, in the same namespace (``kept_queues``). ``asya.sh/delete-queue: "true"`` on the actor deletes it with
its content.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from asya_kube import resources
from asya_kube.api import KubeApi, ObjectMissing, delete_owned
from asya_manifest.labels import ANNOTATION_DELETE_QUEUE, FINALIZER, LABEL_ACTOR, trigger_auth_name
from asya_operator.event_recorder import Recorder
from asya_operator.kept_queues import KeptQueues
from asya_operator.queues import Queues
from asya_operator.settings import OperatorSettings
from asya_operator.transport_config import TransportConfig, TransportRefused
from asya_operator.world import World
from asya_protocol.errors import AsyaError

log: Final = logging.getLogger(__name__)

PODS_GO_S: Final = 1.0
"""How often to check whether the pods are gone."""
WORLD_PATIENCE_S: Final = 60.0
"""How long what the watch has shown of an actor's pods is believed; then the API server is asked, less often."""
PODS_STAY_S: Final = 10.0
BROKER_PATIENCE_S: Final = 30.0
BROKER_PAUSE_S: Final = 2.0
"""A broker that does not take a deletion is asked again for a while; then the queue is left behind."""
_ORDER: Final = (
    resources.SCALED_OBJECT,
    resources.TRIGGER_AUTH,
    resources.DEPLOYMENT,
    resources.STATEFUL_SET,
)


class Finisher:
    """Removes deleted actors."""

    def __init__(
        self,
        api: KubeApi,
        world: World,
        queues: Queues,
        recorder: Recorder,
        settings: OperatorSettings,
        *,
        kept: KeptQueues,
    ) -> None:
        self._api = api
        self._world = world
        self._queues = queues
        self._recorder = recorder
        self._settings = settings
        self._kept = kept
        self._refused_s: dict[str, float] = {}
        self._waits_s: dict[str, float] = {}

    async def finish(self, raw: Mapping[str, Any], now_s: float) -> float | None:
        """Take one step towards the actor's end.

        Args:
            raw: The actor.
            now_s: Any steady clock, in seconds.

        Returns:
            Seconds until the next step; ``None`` when nothing is left to do.
        """
        meta = raw["metadata"]
        namespace, name = meta["namespace"], meta["name"]
        finalizers = list(meta.get("finalizers") or [])
        if FINALIZER not in finalizers:
            return None
        for kind in _ORDER:
            object_name = trigger_auth_name(name) if kind is resources.TRIGGER_AUTH else name
            await delete_owned(self._api, kind, namespace, object_name, meta["uid"])
        if (pause_s := await self._pods_go(meta, now_s)) is not None:
            return pause_s  # they finish or release what they hold; only then is the queue's count final
        if not await self._still_held(namespace, name):
            return None  # ended already: the watch has only not said so yet
        if not await self._end_queue(raw, now_s):
            return BROKER_PAUSE_S
        finalizers.remove(FINALIZER)
        changes = {"metadata": {"finalizers": finalizers or None}}
        try:
            await self._api.patch(resources.ACTOR, namespace, name, changes)
        except ObjectMissing:
            log.debug("actor was gone already", extra={"namespace": namespace, "actor": name})
        return None

    async def _pods_go(self, meta: Mapping[str, Any], now_s: float) -> float | None:
        """Seconds until the next check of pods that are still there; ``None`` when there are none."""
        namespace, name, uid = meta["namespace"], meta["name"], meta["uid"]
        long = now_s - self._waits_s.setdefault(uid, now_s) >= WORLD_PATIENCE_S
        if self._world.pods((namespace, name)) and not long:
            return PODS_GO_S
        # A watch that has not listed yet, in an operator that has just started, shows none; one that broke off may show what
        # went meanwhile.
        if await self._api.list(resources.POD, namespace, f"{LABEL_ACTOR}={name}"):
            return PODS_STAY_S if long else PODS_GO_S
        del self._waits_s[uid]
        return None

    async def _still_held(self, namespace: str, name: str) -> bool:
        present = await self._api.get(resources.ACTOR, namespace, name)
        return FINALIZER in ((present or {}).get("metadata", {}).get("finalizers") or [])

    async def _end_queue(self, raw: Mapping[str, Any], now_s: float) -> bool:
        """Delete the queue if it may be; false when the broker has to be asked again."""
        meta = raw["metadata"]
        transport = self._transport(raw)
        if transport is None or self._world.rival((meta["namespace"], meta["name"])) is not None:
            return True  # never had a queue of its own
        queue = self._settings.queue_names.queue(meta["name"])
        force = (meta.get("annotations") or {}).get(ANNOTATION_DELETE_QUEUE) == "true"
        try:
            gone = await self._queues.delete(queue, transport, meta["namespace"], force=force)
        except AsyaError as exc:
            # An actor must not be stuck on a broker that stays away: what is left behind loses nothing.
            if now_s - self._refused_s.setdefault(meta["uid"], now_s) < BROKER_PATIENCE_S:
                return False
            await self._keep(raw, kept=True)
            del self._refused_s[meta["uid"]]
            await self._recorder.record(raw, "Warning", "QueueKept", f"queue {queue} could not be deleted: {exc}")
            return True
        self._refused_s.pop(meta["uid"], None)
        await self._keep(raw, kept=not gone and self._queues.manages(transport))
        if gone:
            await self._recorder.record(raw, "Normal", "QueueDeleted", f"queue {queue} was empty and is deleted")
        else:
            text = f'queue {queue} stays: it is not empty, or not managed here; {ANNOTATION_DELETE_QUEUE}: "true" deletes it'
            await self._recorder.record(raw, "Normal", "QueueKept", text)
        return True

    async def _keep(self, raw: Mapping[str, Any], *, kept: bool) -> None:
        """Before the actor is gone: from then on another namespace's actor could have its queue."""
        if self._world.keep_queue((raw["metadata"]["namespace"], raw["metadata"]["name"]), raw, kept=kept):
            await self._kept.save(self._world.kept)

    def _transport(self, raw: Mapping[str, Any]) -> TransportConfig | None:
        try:
            return self._settings.transports.get(str((raw.get("spec") or {}).get("transport", "")))
        except TransportRefused:
            return None
