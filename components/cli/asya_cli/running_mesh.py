"""The running mesh as commands use it: finds it, or another broker, and opens its transport."""

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from asya_cli.exit_codes import MeshNotRunning
from asya_cli.up_words import up_words
from asya_local import mesh as local_mesh

if TYPE_CHECKING:
    import asyncio

    from asya_protocol.names import QueueNames
    from asya_transport.port import QueueAdmin, Transport

T = TypeVar("T")
if TYPE_CHECKING:
    Work = Callable[[Transport, QueueAdmin, QueueNames, asyncio.Event], Awaitable[T]]
    """Gets a connected transport, an admin, the names of the mesh's queues, and the event that Ctrl-C (or SIGTERM) sets."""

SEND_LIMIT_S: Final = 30.0
"""A broker on this machine answers in milliseconds; one that has not after this long will not."""


def require_mesh(home: Path) -> local_mesh.MeshInfo:
    """Find the mesh of a folder.

    Raises:
        MeshNotRunning: There is none.
    """
    mesh = local_mesh.find(home)
    if mesh is None:
        raise MeshNotRunning(f"no mesh is running in {home}", up_words())
    return mesh


def broker_environment(mesh: local_mesh.MeshInfo) -> Mapping[str, str]:
    """The environment that leads to the mesh's broker and store; credentials go where the AWS clients look."""
    environment = mesh.environment()
    os.environ.update({name: value for name, value in environment.items() if name.startswith("AWS_")})
    return environment


def find_broker(home: Path) -> Mapping[str, str]:
    """The environment that leads to a broker: the running mesh's, or our own where ``ASYA_TRANSPORT`` is set.

    Raises:
        MeshNotRunning: No mesh is running, and the environment names no broker.
    """
    mesh, named = local_mesh.find(home), os.environ.get("ASYA_TRANSPORT")
    if mesh is not None:
        if named:
            print(f"warning: the mesh in {home} is meant, ASYA_TRANSPORT is not looked at", file=sys.stderr)
        return broker_environment(mesh)
    if not named:
        cause = f"no mesh is running in {home}, and ASYA_TRANSPORT names no broker"
        raise MeshNotRunning(cause, up_words())
    return os.environ


def on_broker(environment: Mapping[str, str], work: "Work[T]") -> T:
    """Work on a broker; the first Ctrl-C asks the work to end, the second ends it.

    Args:
        environment: Leads to the broker.
        work: What to do there.

    Raises:
        MeshNotRunning: The broker did not answer in time.
        AsyaError: Whatever the work met.
    """
    import asyncio

    return asyncio.run(_on_broker(environment, work))


async def _on_broker(environment: Mapping[str, str], work: "Work[T]") -> T:
    import asyncio

    from asya_transport.factory import open_admin, open_transport
    from asya_transport.settings import read_transport_settings

    settings = read_transport_settings(environment)
    transport, admin, stopping = open_transport(settings), open_admin(settings), asyncio.Event()
    loop, us = asyncio.get_running_loop(), asyncio.current_task()

    def end() -> None:
        if stopping.is_set() and us is not None:
            us.cancel()
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await transport.connect()
        except TimeoutError as exc:
            raise _silent_broker() from exc
        return await work(transport, admin, settings.queue_names, stopping)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        await transport.close()
        await admin.close()


def deliver(environment: Mapping[str, str], actor: str, body: bytes, delay_s: float = 0.0) -> None:
    """Put one body on an actor's queue; return when the broker has confirmed it.

    Args:
        environment: Leads to the broker.
        actor: Whose queue.
        body: The envelope.
        delay_s: To rest with the broker, as far as that can.

    Raises:
        QueueMissing: No actor has that queue.
        EnvelopeTooLarge: The broker does not take a body of that size.
        TransportUnavailable: The broker is away.
        MeshNotRunning: The broker did not answer in time.
    """
    import asyncio

    try:
        asyncio.run(_deliver(environment, actor, body, delay_s))
    except TimeoutError as exc:
        raise _silent_broker() from exc


async def _deliver(environment: Mapping[str, str], actor: str, body: bytes, delay_s: float) -> None:
    import asyncio

    from asya_transport.factory import open_transport
    from asya_transport.settings import read_transport_settings

    settings = read_transport_settings(environment)
    transport = open_transport(settings)
    try:
        async with asyncio.timeout(SEND_LIMIT_S):
            await transport.connect()
            delay_s = min(delay_s, transport.max_delay_s)
            await transport.send(settings.queue_names.queue(actor), body, delay_s=delay_s)
    finally:
        await transport.close()


def _silent_broker() -> MeshNotRunning:
    return MeshNotRunning(f"the broker did not answer for {SEND_LIMIT_S:g} s", "asya local status")
