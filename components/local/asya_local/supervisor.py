"""The mesh's supervisor: keeps what runs equal to what the manifests declare. ``python -m asya_local HOME``.

Loops beside one another: processes (4 times a second: look, start, stop), metrics and status (every second), queue depths
(each actor at its own pace), manifests and requests (4 times a second), folders of handlers' code, the broker's process, log
sizes. Whatever they learn goes into the actors' pools; the next look at the processes acts on it.

End (SIGTERM): replicas drain, the end actors' last, once what the others have just done has its end; then the gateway ends,
then the broker, then the state files go, and what still waited on a broker that ends is written down. A supervisor that is
killed leaves its records behind; its children get a signal from the kernel where it can do that, and the next ``up`` or
``down`` cleans up.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from asya_local.broker import Broker, close_broker, open_broker
from asya_local.code_watch import LOOK_S, find_edited, forget_bytecode
from asya_local.container import lay_out
from asya_local.declarations import Declarations, Signature, declare, merge_environment, signature
from asya_local.errors import MeshError
from asya_local.gateway_process import Gateway
from asya_local.log_files import rotate
from asya_local.mesh_status import MeshStatus
from asya_local.plan import ActorPlan
from asya_local.pool import ActorPool
from asya_local.probe import scrape
from asya_local.processes import OsLauncher, ProcessRecord, record_of
from asya_local.queues import QueueKeeper
from asya_local.state import BrokerRecord, MeshRecord, Request, StateFolder
from asya_manifest.errors import ManifestError
from asya_manifest.tools import InvalidTools
from asya_process.entry import unless_stopped
from asya_protocol.errors import AsyaError
from asya_protocol.names import ERROR_END, HAPPY_END
from asya_transport.factory import open_admin
from asya_transport.settings import read_transport_settings

log: Final = logging.getLogger("asya_local")
_SHARED: Final = ("ASYA_TRACE_URL",)

TICK_S: Final = 0.25
BEAT_S: Final = 1.0
HURRY_S: Final = 0.02
HURRY_LIMIT_S: Final = 1.0
"""How often, and for how long, processes are checked while a person waits for edited code."""
STOP_MARGIN_S: Final = 35.0
"""Beyond the longest grace period: runtimes end after their sidecars, the end actors after all others, then the broker."""
ENDS_LIMIT_S: Final = 10.0
"""How long the end actors may take for what was done last; one that sleeps starts in a second or two."""


class Supervisor:
    """One mesh.

    Args:
        state: Its folder, with a request in it.
        environ: What its processes inherit.
        me: This process.
    """

    def __init__(self, state: StateFolder, environ: Mapping[str, str], me: ProcessRecord) -> None:
        self._state = state
        self._environ = environ
        self._launcher = OsLauncher()
        self._pools: dict[str, ActorPool] = {}
        self._records: dict[int, ProcessRecord] = {}
        self._written: frozenset[int] = frozenset()
        self._message = ""
        self._step_messages: dict[str, str] = {}
        self._broker_message = ""
        self._stop = asyncio.Event()
        self._wanted: frozenset[str] = frozenset()
        request = state.read_request()
        if request is None:
            raise MeshError(f"there is no request in {state.home}; start the mesh with: asya local up")
        self._request = request
        self._unloadable_of = ""
        self._seen: Signature = ()
        previous = state.read_mesh()
        self._previous_broker = previous.broker if previous else None
        # Until the broker is taken over, its record must not get lost: a crash right now would orphan it.
        self._record = MeshRecord(supervisor=me, transport=request.transport, broker=self._previous_broker)
        self._broker = Broker({}, {})
        self._broker_is_new = False
        self._gateway = Gateway(state, self._launcher, environ)

    async def run(self) -> None:
        """Bring the mesh up, keep it, and take it down when told to.

        Raises:
            AsyaError: It cannot be brought up.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._say()
        try:
            keeper = await unless_stopped(self._start(), self._stop)
            if keeper is not None:
                await self._keep(keeper)
        except AsyaError as exc:
            self._say(error=str(exc), ready=False, request_id=self._request.id)
            if self._broker_is_new:
                await self._close_broker()
            raise
        finally:
            await self._end()

    async def _start(self) -> QueueKeeper:
        self._state.make_run_dir()
        self._say(stage=f"starting the broker ({self._request.transport})")
        self._broker = await self._open_broker(self._previous_broker)
        self._say(
            stage="creating queues",
            environment=merge_environment(self._broker.transport_env, self._shared_env()),
        )
        # boto3 takes credentials from the process's own environment only, and those of a local stand-in are no secret.
        os.environ.update({k: v for k, v in self._broker.transport_env.items() if k.startswith("AWS_")})
        admin = open_admin(read_transport_settings(self._broker.transport_env))
        keeper = QueueKeeper(admin, prompt=self._request.transport == "memory")
        self._seen = signature(self._request)
        self._follow(self._request, self._declare(self._request))
        self._gateway.tick(asyncio.get_running_loop().time())  # it takes a second to start, the queues take one too
        await keeper.create(self._pools.values())
        self._say(stage="starting the gateway")
        await self._gateway.until_ready()
        self._beat()
        self._say(stage="running", ready=True, request_id=self._request.id)
        log.info("mesh is up", extra={"transport": self._request.transport, "actors": sorted(self._pools)})
        return keeper

    async def _keep(self, keeper: QueueKeeper) -> None:
        async with asyncio.TaskGroup() as group:
            loops = [
                group.create_task(self._every(TICK_S, self._tick)),
                group.create_task(self._every(BEAT_S, self._look)),
                group.create_task(self._every(TICK_S, self._follow_changes, keeper)),
                group.create_task(self._every(LOOK_S, self._reload_edited)),
                group.create_task(self._every(TICK_S, keeper.measure, self._pools)),
                group.create_task(self._every(BEAT_S, self._keep_broker, keeper)),
            ]
            await self._stop.wait()
            # Measuring and watching the broker end at once; looking goes on, so that the drain is seen.
            for task in loops[2:]:
                task.cancel()
            await self._drain(keeper)
            for task in loops[:2]:
                task.cancel()
        await keeper.close()

    async def _every(self, period_s: float, step: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        while True:
            try:
                await step(*arguments)
                self._step_messages.pop(step.__name__, None)
            except (OSError, AsyaError) as exc:
                # A full disk or a folder that someone removed must not take the actors down with it.
                self._step_messages[step.__name__] = str(exc)
                log.exception("step failed", extra={"step": step.__name__})
            await asyncio.sleep(period_s)

    async def _tick(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for name, pool in list(self._pools.items()):
            pool.tick(now_s)
            if pool.empty and name not in self._wanted:
                del self._pools[name]
        self._gateway.tick(now_s)
        self._record_processes()

    async def _look(self) -> None:
        """Read every sidecar's metrics, then leave a status."""
        looked = [
            (pool, replica, replica.sidecar.life, address)
            for pool in self._pools.values()
            for replica in pool.replicas
            if replica.sidecar.process is not None and (address := replica.address)
        ]
        readings = await asyncio.gather(*(asyncio.to_thread(scrape, address) for _, _, _, address in looked))
        for (pool, replica, life, _), reading in zip(looked, readings, strict=True):
            if reading is not None and replica.sidecar.life == life:
                pool.observe_metrics(replica, reading)
        self._beat()
        for path in await asyncio.to_thread(rotate, self._state.logs):
            log.info("log was full", extra={"log": str(path)})

    async def _follow_changes(self, keeper: QueueKeeper) -> None:
        """Follow a new request, or manifests that were edited."""
        request = self._state.read_request() or self._request
        seen = signature(request)
        if request.id == self._record.request_id and seen == self._seen:
            return
        self._seen = seen
        try:
            declarations = self._declare(request)
            before = set(self._pools)
            self._follow(request, declarations)
            await keeper.create([pool for name, pool in self._pools.items() if name not in before])
        except (ManifestError, MeshError, InvalidTools) as exc:
            # The last good manifests stay in force: a typing error must not stop what works.
            self._message = str(exc)
            log.warning("manifests not followed", extra={"error": str(exc)})
            self._beat()
            self._say(request_id=request.id, error=str(exc) if request.id != self._request.id else "")
            return
        self._message, error = "", ""
        if request.id != self._request.id:
            try:
                await self._gateway.until_ready()  # whoever asked for it calls it next
            except MeshError as exc:
                error = str(exc)
        self._request = request
        self._beat()
        self._say(request_id=request.id, error=error)
        log.info("following", extra={"manifests": request.manifests, "actors": sorted(declarations.plans)})

    async def _reload_edited(self) -> None:
        """Reload the handlers of edited code at once: a person is waiting for it."""
        loaded = {log: pool for pool in self._pools.values() for log in pool.loaded_files if self._request.reload}
        edited, rest_s = await asyncio.to_thread(find_edited, loaded, self._state.home / "volumes")
        for log_path, paths in edited.items():
            pool = loaded[log_path]
            log.info("code edited", extra={"actor": pool.name, "files": [str(path) for path in paths[:5]]})
            forget_bytecode(paths)
            pool.reload()
        loop = asyncio.get_running_loop()
        until_s = loop.time() + HURRY_LIMIT_S
        while any(pool.reloading for pool in self._pools.values()) and loop.time() < until_s:
            await self._tick()
            await asyncio.sleep(HURRY_S)
        await asyncio.sleep(rest_s - LOOK_S)

    async def _keep_broker(self, keeper: QueueKeeper) -> None:
        if self._broker.alive and not self._broker_message:
            return
        if not self._broker.alive:
            await self._revive_broker()
        await keeper.create(list(self._pools.values()))
        self._broker_message = ""
        self._beat()

    async def _revive_broker(self) -> None:
        record = self._broker.record
        log.error("broker died", extra={"kind": record.kind if record else "", "lost": "everything it held"})
        self._broker_message = "the broker died; what it held is lost; it is being started again"
        self._beat()
        self._broker = await self._open_broker(record)

    async def _drain(self, keeper: QueueKeeper) -> None:
        """Let every replica end; the grace periods bound it."""
        self._say(stage="stopping", ready=False)
        log.info("mesh is stopping")
        pools = self._pools
        ends = [pools[name] for name in (HAPPY_END, ERROR_END) if name in pools]
        try:
            async with asyncio.timeout(self._record.stop_limit_s):
                await _stopped(pool for pool in pools.values() if pool not in ends)
                if self._record.broker is not None:  # what waits elsewhere is there at the next `up`
                    await _settled(ends, keeper)
                await _stopped(ends)
        except TimeoutError:
            log.warning("replicas did not end in time")
        if self._record.broker is not None:
            await keeper.measure_now(pools.values())
            self._state.write_left(
                {name: queued for name, pool in pools.items() if (queued := pool.depth.queued(name))}
            )
        await self._gateway.close()  # after the last reports

    async def _end(self) -> None:
        """Leave no replica; end the broker and the state too when this was an orderly stop."""
        for pool in self._pools.values():
            pool.kill()
            pool.tick(asyncio.get_running_loop().time())
        self._gateway.kill()
        if self._stop.is_set():
            await self._close_broker()
            self._state.forget()
            log.info("mesh is down")

    async def _open_broker(self, previous: BrokerRecord | None) -> Broker:
        return await open_broker(self._request, self._state, self._environ, previous, self._note_broker)

    def _note_broker(self, record: BrokerRecord) -> None:
        """Remember a broker's process as soon as it runs, long before it answers."""
        self._broker_is_new = record != self._previous_broker
        self._say(broker=record)

    async def _close_broker(self) -> None:
        if self._record.broker is not None:
            await close_broker(self._record.broker)
            self._say(broker=None)

    def _shared_env(self) -> dict[str, str]:
        """What crew, sidecars, gateway and clients get besides the way to the broker; ``OTEL_*`` they inherit."""
        return {**self._broker.store_env, **{name: self._environ[name] for name in _SHARED if self._environ.get(name)}}

    def _declare(self, request: Request) -> Declarations:
        self._gateway.place(request)
        return declare(
            request,
            self._state,
            self._environ,
            transport_env=self._broker.transport_env,
            store_env=self._shared_env(),
            gateway_env=self._gateway.sidecar_env(),
        )

    def _follow(self, request: Request, declarations: Declarations) -> None:
        self._gateway.follow(request, merge_environment(self._broker.transport_env, self._shared_env()))
        for name, plan in declarations.plans.items():
            lay_out(plan.files, plan.files_root)
            if (pool := self._pools.get(name)) is not None:
                pool.follow(plan)
            else:
                self._pools[name] = ActorPool(plan, self._state.run_dir, self._state.logs, self._launcher)
        self._wanted = frozenset(declarations.plans)
        for name, pool in self._pools.items():
            if name not in self._wanted:
                pool.stop()  # its queue stays: what waits in it is somebody's work
        self._say(
            manifests=request.manifests,
            notes=list(declarations.notes),
            gateway_url=self._gateway.url,
            stop_limit_s=_stop_limit_s(list(declarations.plans.values())),
        )

    def _record_processes(self) -> None:
        """Write down what runs, whenever that has changed."""
        running = {
            process.pid: (role, name) for name, pool in self._pools.items() for role, process in pool.processes()
        }
        if self._gateway.process is not None:
            running[self._gateway.process.pid] = ("gateway", "")
        if frozenset(running) == self._written:
            return
        for pid, (role, name) in running.items():
            if pid not in self._records and (record := record_of(pid, role, name)):
                self._records[pid] = record
        self._records = {pid: record for pid, record in self._records.items() if pid in running}
        self._state.write_processes(list(self._records.values()))
        self._written = frozenset(running)

    def _take_unloadable(self) -> None:
        """Take over, once, what the last ``up`` found out about handlers of actors that nap."""
        found = self._state.read_unloadable()
        if found is None or found.request_id in (self._unloadable_of, ""):
            return
        if found.request_id == self._record.request_id:
            self._unloadable_of = found.request_id
            for name, pool in self._pools.items():
                pool.unloadable = found.causes.get(name, "")

    def _beat(self) -> None:
        self._take_unloadable()
        actors = [pool.status() for pool in self._pools.values()]
        status = MeshStatus(
            running=True,
            transport=self._request.transport,
            updated_at=time.time(),
            actors=actors,
            message=" ".join(
                filter(
                    None,
                    (
                        self._broker_message,
                        self._gateway.message,
                        self._message,
                        *self._step_messages.values(),
                    ),
                )
            ),
        )
        self._state.write_status(status)

    def _say(self, **changes: Any) -> None:  # noqa: ANN401 - fields of MeshRecord
        self._record = replace(self._record, **changes)
        self._state.write_mesh(self._record)


async def _stopped(pools: Iterable[ActorPool]) -> None:
    """Let replicas end, and wait until none is left."""
    waited = list(pools)
    for pool in waited:
        pool.stop()
    while not all(pool.empty for pool in waited):  # noqa: ASYNC110 - the ticks see it, and tell nobody
        await asyncio.sleep(HURRY_S)


async def _settled(pools: Sequence[ActorPool], keeper: QueueKeeper) -> None:
    """Wait until nothing is left to be done by actors, or their time is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ENDS_LIMIT_S):
            while True:
                await keeper.measure_now(pools)
                if not any(pool.depth.total for pool in pools):
                    return
                await asyncio.sleep(TICK_S)


def _stop_limit_s(plans: list[ActorPlan]) -> float:
    return max((plan.grace_s for plan in plans), default=0.0) + STOP_MARGIN_S
