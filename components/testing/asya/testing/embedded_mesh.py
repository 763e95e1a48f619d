"""The mesh behind a pipeline under test: queues of its own, a sidecar and a runtime per actor, and both ends of every route.

Lives in one event loop. The end of everything is registered before it is made, so that a start that fails leaves nothing.
"""

import asyncio
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from asya.testing.actor import Actor
from asya.testing.broker import open_broker
from asya.testing.embedded_sidecar import run_sidecar
from asya.testing.errors import PipelineTimeout, UnknownActor
from asya.testing.large import make_small, make_whole, open_desk
from asya.testing.ledger import Ledger, Run
from asya.testing.outcome import Failure, Outcome, Result, read_error, read_result
from asya.testing.runtime_process import RuntimeProcess
from asya.testing.tagged import CountingConsumer, TaggedTransport, token_of
from asya_protocol import names
from asya_protocol.envelope import Envelope, Route
from asya_protocol.errors import TransportError
from asya_store.claims import ClaimCheck
from asya_transport.port import QueueAdmin, QueueSpec

log: Final = logging.getLogger(__name__)

COLLECT_AT_ONCE: Final = 10
COLLECT_WAIT_S: Final = 20.0
PAUSE_S: Final = 0.5
"""Between two attempts while the broker is away."""
TAG_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


class Mesh:
    """Actors that wait for envelopes; made by ``open_mesh``."""

    def __init__(
        self,
        runtimes: Mapping[str, RuntimeProcess],
        transport: TaggedTransport,
        ledger: Ledger,
        desk: ClaimCheck,
        stack: AsyncExitStack,
    ) -> None:
        self._runtimes = runtimes
        self._desk = desk
        self._transport = transport
        self._ledger = ledger
        self._stack = stack

    async def run(
        self, payload: msgspec.Raw, route: Sequence[str], headers: Mapping[str, object], timeout_s: float
    ) -> Outcome:
        """Send one envelope and follow it, and all that is made from it, to the end.

        Raises:
            UnknownActor: The route names an actor that is not here.
            HandlerNotLoaded: A runtime cannot start.
            PipelineTimeout: It takes longer.
            TransportError: The envelope cannot be sent, or a queue is gone.
        """
        for name in route:
            if name not in self._runtimes:
                raise UnknownActor(name, self._runtimes)
        run = self._ledger.begin()
        try:
            for name in route:  # All at once: started one by one as the envelope goes, each would add its own start.
                self._runtimes[name].ensure_started()
            envelope = Envelope(run.id, Route(tuple(route)), payload, headers)
            async with asyncio.timeout(timeout_s):
                body = await make_small(self._desk, envelope.dump())
                await self._send_first(run, names.QueueNames().queue(route[0]), body)
                await run.done
        except TimeoutError:
            raise PipelineTimeout(f"the run has not ended within {timeout_s:g} s: {run.where()}") from None
        finally:
            self._ledger.end(run)
        return run.outcome()

    async def _send_first(self, run: Run, queue: str, body: bytes) -> None:
        """Send, again and again while the broker is away, as a sidecar does; the run's own time ends it."""
        while True:
            try:
                await self._transport.send(queue, body)
            except TransportError as exc:
                if not exc.retryable:
                    raise
                run.trouble = str(exc)
                await asyncio.sleep(PAUSE_S)
            else:
                return

    def new_output(self) -> list[tuple[str, str]]:
        """What handlers printed since the last call, by actor."""
        outputs = ((name, runtime.new_output()) for name, runtime in self._runtimes.items())
        return [(name, output) for name, output in outputs if output]

    async def close(self) -> None:
        """Stop everything and delete the queues."""
        await self._stack.aclose()


async def open_mesh(actors: Mapping[str, Actor]) -> Mesh:
    """Make the queues and start consuming them.

    Args:
        actors: Checked ones, by name.

    Raises:
        SettingsError: The environment's settings for the broker cannot be used.
        TransportError: The broker is away, or refuses.
    """
    stack = AsyncExitStack()
    try:
        return await _build(actors, stack)
    except BaseException:
        await stack.aclose()
        raise


async def _build(actors: Mapping[str, Actor], stack: AsyncExitStack) -> Mesh:
    inner, admin = open_broker(os.environ)
    stack.push_async_callback(admin.close)
    queues = _name_queues(actors)
    stack.push_async_callback(_delete, admin, list(queues.values()))
    ledger = Ledger()
    folder = Path(tempfile.mkdtemp(prefix="asya-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    desk = open_desk(folder / "payloads")
    runtimes = _make_runtimes(actors, ledger, folder, stack)

    def wake(actor: str) -> None:
        if actor in runtimes:  # happy-end and error-end have none
            runtimes[actor].ensure_started()

    transport = TaggedTransport(inner, queues, ledger, desk, wake)
    stack.push_async_callback(transport.close)
    await transport.connect()
    await asyncio.gather(*(admin.create(queue, QueueSpec()) for queue in queues.values()))
    tasks = _Tasks(ledger, desk)
    stack.push_async_callback(tasks.stop)
    for end_actor, read in ((names.HAPPY_END, read_result), (names.ERROR_END, read_error)):
        tasks.collect(await transport.consume(names.QueueNames().queue(end_actor), prefetch=COLLECT_AT_ONCE), read)
    for name, actor in actors.items():
        sidecar = run_sidecar(
            name, actor, socket_dir=runtimes[name].socket_dir, transport=transport, desk=desk, stop=tasks.stopping
        )
        tasks.start(sidecar)
    return Mesh(runtimes, transport, ledger, desk, stack)


def _name_queues(actors: Mapping[str, Actor]) -> dict[str, str]:
    # Short: SQS takes 80 characters, of which the longest actor's name and the dead letter queue's suffix need 72.
    tag = "t-" + "".join(secrets.choice(TAG_ALPHABET) for _ in range(5))
    return {name: names.QueueNames().queue(f"{tag}-{name}") for name in (*actors, *sorted(names.RESERVED_ACTORS))}


async def _delete(admin: QueueAdmin, queues: Sequence[str]) -> None:
    await asyncio.gather(*(admin.delete(queue, force=True) for queue in queues))


def _make_runtimes(
    actors: Mapping[str, Actor], ledger: Ledger, folder: Path, stack: AsyncExitStack
) -> dict[str, RuntimeProcess]:
    runtimes: dict[str, RuntimeProcess] = {}
    for number, (name, actor) in enumerate(actors.items()):
        socket_dir = folder / str(number)
        socket_dir.mkdir()
        runtimes[name] = RuntimeProcess(name, actor, socket_dir, ledger.abort)

    async def stop() -> None:
        await asyncio.gather(*(runtime.stop() for runtime in runtimes.values()))

    stack.push_async_callback(stop)
    return runtimes


class _Tasks:
    """The tasks of a mesh: sidecars, and collectors in the place of the crew. One that fails ends this and every later run."""

    def __init__(self, ledger: Ledger, desk: ClaimCheck) -> None:
        self._desk = desk
        self.stopping = asyncio.Event()
        self._ledger = ledger
        self._tasks: set[asyncio.Task[None]] = set()
        self._consumers: list[CountingConsumer] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start one."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._look)

    def collect(self, consumer: CountingConsumer, read: Callable[[bytes], Result | Failure]) -> None:
        """Take what arrives at an end of routes."""
        self._consumers.append(consumer)
        self.start(self._collect(consumer, read))

    async def stop(self) -> None:
        """End all of them."""
        self.stopping.set()
        await asyncio.gather(*(consumer.stop() for consumer in self._consumers), *self._tasks, return_exceptions=True)

    async def _collect(self, consumer: CountingConsumer, read: Callable[[bytes], Result | Failure]) -> None:
        while not self.stopping.is_set():
            try:
                for delivery in await consumer.receive(COLLECT_AT_ONCE, COLLECT_WAIT_S):
                    body = await make_whole(self._desk, delivery.body)
                    self._ledger.arrived(token_of(delivery), read(body))
                    await consumer.ack(delivery)
            except TransportError as exc:
                if not exc.retryable:
                    raise
                log.warning("collecting again after a pause", extra={"error": str(exc)})
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE_S):
                        await self.stopping.wait()

    def _look(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._ledger.abort(error, for_good=True)
