"""Watches the cluster through kopf and reconciles: every event enqueues the actor that it concerns, workers reconcile it.

kopf's part is what it does best: finding the resources, listing and watching them, reconnecting. Its handlers here only
note what they see; nothing is kept in annotations, and no handler has progress of its own.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from typing import Any, Final

import kopf

from asya_kube import resources
from asya_kube.api import KubeApi
from asya_kube.resources import Kind
from asya_manifest.labels import LABEL_ACTOR, LABEL_SCALED_OBJECT
from asya_operator.first_list import await_actors
from asya_operator.metrics import Metrics
from asya_operator.pod_starts import PodStarts
from asya_operator.reconcile import Reconciler
from asya_operator.tracing import ReconcileTracing
from asya_operator.work_queue import WorkQueue
from asya_operator.world import Key, World
from asya_protocol.errors import AsyaError

log: Final = logging.getLogger(__name__)

SELECTORS: Final = {
    **dict.fromkeys(resources.WATCHED, LABEL_ACTOR),
    resources.HPA: LABEL_SCALED_OBJECT,
    resources.CONFIG_MAP: "app.kubernetes.io/part-of=asya",
}
"""What the API server filters for us: other people's pods never reach this process."""


class Controller:
    """Watches and workers.

    Args:
        world: Where watch events are kept.
        reconciler: Reconciles one actor.
        metrics: Counts.
        workers: Actors reconciled at the same time.
        api: Lists the actors that exist at the start.
        namespaces: Those that are watched; none are all.
        tracing: Records reconciles.
    """

    def __init__(
        self,
        world: World,
        reconciler: Reconciler,
        metrics: Metrics,
        workers: int,
        api: KubeApi,
        *,
        namespaces: Collection[str] = (),
        tracing: ReconcileTracing | None = None,
    ) -> None:
        self._tracing = tracing or ReconcileTracing()
        self._world = world
        self._reconciler = reconciler
        self._starts = PodStarts()
        self._metrics = metrics
        self._workers = workers
        self._api = api
        self._namespaces = sorted(namespaces)
        self._queue: WorkQueue[Key] = WorkQueue()
        self.beat_s = time.monotonic()
        """When the event loop last ran, by the steady clock."""

    def enqueue(self, key: Key) -> None:
        """Have an actor reconciled as soon as a worker is free."""
        self._queue.add(key)

    async def run(self, stop: asyncio.Event) -> None:
        """Watch and work until ``stop`` is set.

        Raises:
            Exception: A watch or a worker ended by itself.
        """
        registry, settings = kopf.OperatorRegistry(), kopf.OperatorSettings()
        self._register(registry)
        configure(settings)
        listed = asyncio.create_task(await_actors(self._api, self._world, self._namespaces))
        tasks = [asyncio.create_task(self._work(listed)) for _ in range(self._workers)]
        tasks.append(asyncio.create_task(self._beat()))
        watching = asyncio.create_task(
            kopf.operator(
                registry=registry,
                settings=settings,
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=stop,
            )
        )
        tasks.append(asyncio.create_task(_until(stop)))
        try:
            done, _ = await asyncio.wait([watching, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            stop.set()
            # Workers first: kopf takes seconds to end, in which another leader may begin.
            listed.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(listed, *tasks, return_exceptions=True)
            await asyncio.gather(watching, return_exceptions=True)

    def _register(self, registry: kopf.OperatorRegistry) -> None:
        kopf.on.login(registry=registry, id="credentials")(kopf.login_via_async_client)
        for kind in (resources.ACTOR, resources.LIMIT, *resources.WATCHED):
            handler = self._listener(kind)
            kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id=f"note-{kind.plural}")(handler)

    def _listener(self, kind: Kind) -> Any:  # noqa: ANN401 - kopf's own handler protocol
        async def note(event: kopf.RawEvent, **_: Any) -> None:  # noqa: ANN401 - kopf passes many more
            for key in self._world.note(kind, event["type"], event["object"]):
                self._queue.add(key)

        return note

    async def _work(self, listed: "asyncio.Task[bool]") -> None:
        await asyncio.shield(listed)
        while True:
            key = await self._queue.take()
            started, began_s = time.monotonic(), time.time()
            failure = ""
            again_s: float | None = None
            try:
                again_s = await self._reconciler.reconcile(key)
            except AsyaError as exc:
                failure = str(exc)
                delay_s = self._queue.failed(key)
                self._metrics.reconciles.labels("error").inc()
                log.warning("reconcile failed", extra={**_named(key), "error": str(exc), "retry_in_s": delay_s})
            except Exception as exc:
                failure = f"{type(exc).__name__}: {exc}"
                delay_s = self._queue.failed(key)
                self._metrics.reconciles.labels("error").inc()
                log.exception("reconcile failed", extra={**_named(key), "retry_in_s": delay_s})
            else:
                self._metrics.reconciles.labels("ok").inc()
                self._queue.done(key)
                if again_s is None:
                    self._queue.forget(key)
                else:
                    self._queue.add_after(key, again_s)
            self._metrics.reconcile_seconds.observe(time.monotonic() - started)
            self._tracing.finish(*key, began_s, time.time(), failure)

    async def _beat(self) -> None:
        while True:
            self.beat_s = time.monotonic()
            self._metrics.waiting.set(len(self._queue))
            self._metrics.show_actors(self._world.actors(), lambda key: self._world.find(resources.SCALED_OBJECT, *key))
            keys = [key for key, _ in self._world.actors()]
            self._metrics.observe_starts(self._starts.new((key, pod) for key in keys for pod in self._world.pods(key)))
            await asyncio.sleep(5)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


def configure(settings: kopf.OperatorSettings) -> None:
    """Set kopf up: filters at the server, no Events and no annotations of its own, quick ends."""
    settings.posting.enabled = False
    settings.watching.server_timeout = 600
    settings.watching.chunk_size = 500
    settings.queueing.exit_timeout = 1.0
    settings.networking.error_backoffs = (0.5, 1, 2, 4, 8)
    for kind, selector in SELECTORS.items():
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = selector


def _named(key: Key) -> dict[str, str]:
    return {"namespace": key[0], "actor": key[1]}
