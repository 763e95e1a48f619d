"""The memory broker's socket: dropped clients, dead servers, strangers."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asya_protocol.errors import LeaseLost, TransportError, TransportUnavailable
from asya_transport.factory import open_admin, open_transport
from asya_transport.memory.server import MemoryServer
from asya_transport.memory.transport import MemoryBroker
from asya_transport.port import Depth, QueueSpec
from asya_transport.settings import TransportSettings
from tests.support.broker_bench import SOON_S, eventually, receive_one

QUEUE = "asya-socket"


class Served:
    """A broker behind a socket, and how to reach it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.broker = MemoryBroker()
        self.server = MemoryServer(self.broker, path)
        self.settings = TransportSettings(name="memory", memory_socket=str(path), queue_retry_max_attempts=1)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    with tempfile.TemporaryDirectory(prefix="asya-") as folder:
        made = Served(Path(folder) / "broker.sock")
        await made.server.start()
        made.broker.create(QUEUE, QueueSpec())
        yield made
        await made.server.close()


async def test_a_killed_process_gives_its_deliveries_back(served: Served) -> None:
    transport = open_transport(served.settings)
    await transport.send(QUEUE, b"{}")
    program = (
        "import asyncio, sys\n"
        "from asya_transport.factory import open_transport\n"
        "from asya_transport.settings import read_transport_settings\n"
        "async def main():\n"
        "    environ = {'ASYA_TRANSPORT': 'memory', 'ASYA_MEMORY_SOCKET': sys.argv[1]}\n"
        "    transport = open_transport(read_transport_settings(environ))\n"
        "    consumer = await transport.consume(sys.argv[2])\n"
        "    assert await consumer.receive(1, 60)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    victim = subprocess.Popen([sys.executable, "-c", program, str(served.path), QUEUE])  # noqa: ASYNC220 - returns at once
    try:
        admin = open_admin(served.settings)
        await eventually(lambda: admin.measure(QUEUE), Depth(0, in_flight=1))
    finally:
        victim.kill()
        victim.wait()
    again = await receive_one(await transport.consume(QUEUE))
    assert again.delivery_count == 2
    await admin.close()
    await transport.close()


async def test_a_client_goes_on_with_a_server_that_came_back_and_its_old_deliveries_are_lost(served: Served) -> None:
    transport = open_transport(served.settings)
    await transport.send(QUEUE, b"{}")
    consumer = await transport.consume(QUEUE)
    held = await receive_one(consumer)
    waiting = asyncio.create_task(consumer.receive(1, SOON_S))
    await asyncio.sleep(0)  # it has begun
    await served.server.close()
    with pytest.raises(TransportUnavailable):
        await waiting
    with pytest.raises(TransportUnavailable):
        await transport.send(QUEUE, b"{}")
    with pytest.raises(LeaseLost):
        await consumer.ack(held)
    await served.server.start()
    again = await receive_one(consumer)
    assert (again.body, again.delivery_count) == (b"{}", 2)
    await consumer.ack(again)
    await transport.close()


async def test_connecting_waits_for_a_server_that_starts_later() -> None:
    with tempfile.TemporaryDirectory(prefix="asya-") as folder:
        path = Path(folder) / "broker.sock"
        patient = TransportSettings(
            name="memory", memory_socket=str(path), queue_retry_max_attempts=100, queue_retry_backoff_s=0.01
        )
        transport = open_transport(patient)
        connecting = asyncio.create_task(transport.connect())
        await asyncio.sleep(0)  # it has begun
        server = MemoryServer(MemoryBroker(max_body_bytes=4321), path)
        await server.start()
        await asyncio.wait_for(connecting, SOON_S)
        assert transport.max_body_bytes == 4321
        await transport.close()
        await server.close()


async def test_connecting_where_nobody_listens_names_the_socket(tmp_path: Path) -> None:
    nobody = TransportSettings(name="memory", memory_socket=str(tmp_path / "none.sock"), queue_retry_max_attempts=1)
    transport = open_transport(nobody)
    with pytest.raises(TransportUnavailable, match=r"none\.sock"):
        await transport.connect()
    await transport.close()


async def test_a_second_server_does_not_take_the_socket_of_a_living_one(served: Served) -> None:
    with pytest.raises(TransportError, match="already listens"):
        await MemoryServer(MemoryBroker(), served.path).start()
    transport = open_transport(served.settings)
    await transport.send(QUEUE, b"{}")
    await transport.close()


async def test_a_stranger_on_the_socket_is_cut_off_and_disturbs_nobody(served: Served) -> None:
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x05hello", b"\xff\xff\xff\xff"):
        reader, writer = await asyncio.open_unix_connection(str(served.path))
        writer.write(garbage)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), SOON_S) == b""
        writer.close()
        await writer.wait_closed()
    transport = open_transport(served.settings)
    await transport.send(QUEUE, b"{}")
    await transport.close()


async def test_a_client_that_sends_without_end_is_held_back_and_served_whole(served: Served) -> None:
    transport = open_transport(served.settings)
    body = b"x" * 50_000
    await asyncio.gather(*(transport.send(QUEUE, body) for _ in range(400)))
    consumer = await transport.consume(QUEUE)
    count = 0
    while deliveries := await consumer.receive(100, 0.0):
        count += len(deliveries)
        assert all(each.body == body for each in deliveries)
    assert count == 400
    await transport.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_stand_alone_server_replaces_a_dead_socket_and_ends_on_a_signal(number: signal.Signals) -> None:
    with tempfile.TemporaryDirectory(prefix="asya-") as folder:
        path = os.path.join(folder, "broker.sock")  # noqa: PTH118 - a Path method would block the loop
        left = await asyncio.start_unix_server(lambda _r, _w: None, path)
        left.close()  # leaves its file behind
        await left.wait_closed()
        server = await asyncio.create_subprocess_exec(sys.executable, "-m", "asya_transport.memory.server", path)
        settings = TransportSettings(
            name="memory", memory_socket=path, queue_retry_max_attempts=500, queue_retry_backoff_s=0.02
        )
        admin, transport = open_admin(settings), open_transport(settings)
        try:
            await transport.connect()
            await admin.create(QUEUE, QueueSpec())
            assert await admin.measure(QUEUE) == Depth(0)
        finally:
            server.send_signal(number)
            code = await asyncio.wait_for(server.wait(), SOON_S)
            await transport.close()
            await admin.close()
        assert (code, os.listdir(folder)) == (0, [])  # noqa: PTH208 - a Path method would block the loop


async def test_a_wrong_setting_keeps_the_stand_alone_server_from_starting() -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "asya_transport.memory.server",
        "unused.sock",
        env={**os.environ, "ASYA_MEMORY_MAX_BODY_BYTES": "much"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(server.communicate(), SOON_S)
    assert server.returncode == 2
    assert errors == b"memory broker: ASYA_MEMORY_MAX_BODY_BYTES: 'much' is not a whole number\n"
