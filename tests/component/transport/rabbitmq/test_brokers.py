"""The transport on RabbitMQ as others set it up: Asya 0.1.1's queues, vhosts, odd credentials, TLS, no management API."""

import asyncio
import itertools
import os
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pika
import pytest

from asya_protocol.errors import EnvelopeTooLarge, QueueMissing, TransportError, TransportUnavailable
from asya_transport.port import Delivery, Depth, QueueSpec
from asya_transport.rabbitmq.admin import RabbitMqAdmin
from asya_transport.rabbitmq.transport import RabbitMqTransport
from asya_transport.settings import TransportSettings
from lab.servers.ports import free_ports
from lab.servers.rabbitmq import (
    Address,
    RabbitMqServer,
    call_management,
    is_open,
    rabbitmq_servers,
    require_server,
    versions,
)
from lab.waits import wait_until

__all__ = ["rabbitmq_servers"]  # A fixture, found by name.

# Test processes share the broker, so each makes names of its own.
NUMBERS = (f"{os.getpid()}-{number}" for number in itertools.count(1))
PATIENCE_S = 60.0
HELD_BACK = {"delayed-retry-type": "all", "delayed-retry-min": 60_000, "delayed-retry-max": 60_000}


@pytest.fixture(params=versions())
def settings(request: pytest.FixtureRequest, rabbitmq_servers: Callable[[str], Address]) -> TransportSettings:
    server = rabbitmq_servers(request.param)
    return TransportSettings(rabbitmq_url=server.url, rabbitmq_management_url=server.management_url)


@asynccontextmanager
async def connected(settings: TransportSettings) -> AsyncIterator[RabbitMqTransport]:
    transport = RabbitMqTransport(settings)
    await transport.connect()
    try:
        yield transport
    finally:
        await transport.close()


@asynccontextmanager
async def administered(settings: TransportSettings) -> AsyncIterator[RabbitMqAdmin]:
    admin = RabbitMqAdmin(settings)
    try:
        yield admin
    finally:
        await admin.close()


async def eventually(look: Callable[[], Awaitable[Depth]], wanted: Depth) -> None:
    """Wait until a queue measures as wanted."""
    async with asyncio.timeout(PATIENCE_S):
        while await look() != wanted:
            await asyncio.sleep(0.05)


@pytest.fixture
async def classic(settings: TransportSettings) -> AsyncIterator[str]:
    """A queue as Asya 0.1.1 makes it: classic, durable, bound by its full name, without a dead letter queue."""
    name = f"asya-original-{next(NUMBERS)}"

    def on_broker(work: Callable[["pika.adapters.blocking_connection.BlockingChannel"], object]) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(settings.rabbitmq_url))
        work(connection.channel())
        connection.close()

    def make(channel: "pika.adapters.blocking_connection.BlockingChannel") -> None:
        channel.exchange_declare("asya", "topic", durable=True)
        channel.queue_declare(name, durable=True)
        channel.queue_bind(name, "asya", routing_key=name)

    await asyncio.to_thread(on_broker, make)
    yield name
    await asyncio.to_thread(on_broker, lambda channel: channel.queue_delete(name))


async def one(transport: RabbitMqTransport, queue: str) -> Delivery:
    consumer = await transport.consume(queue)
    found = await consumer.receive(1, PATIENCE_S)
    await consumer.ack(found[0])
    await consumer.stop()
    return found[0]


async def test_the_originals_classic_queue_serves_unchanged(settings: TransportSettings, classic: str) -> None:
    """Sends, delays, receives, releases and settles; nothing is declared again."""
    async with connected(settings) as transport:
        await transport.send(classic, b"now")
        consumer = await transport.consume(classic)
        (first,) = await consumer.receive(1, PATIENCE_S)
        assert (first.body, first.delivery_count) == (b"now", 1)
        await consumer.release(first)
        (again,) = await consumer.receive(1, PATIENCE_S)
        assert (again.body, again.delivery_count) == (b"now", 2)
        await consumer.ack(again)
        await transport.send(classic, b"later", delay_s=0.2)
        (later,) = await consumer.receive(1, PATIENCE_S)
        assert later.body == b"later"
        await consumer.ack(later)


async def test_without_a_dead_letter_queue_a_dead_letter_stays_ours(settings: TransportSettings, classic: str) -> None:
    """Asya 0.1.1 makes none; the text names the queue that is missing."""
    async with connected(settings) as transport:
        await transport.send(classic, b"bad")
        consumer = await transport.consume(classic)
        (delivery,) = await consumer.receive(1, PATIENCE_S)
        with pytest.raises(QueueMissing, match=f"{classic}-dlq"):
            await consumer.dead_letter(delivery, "because")
        await consumer.ack(delivery)


async def test_creating_over_the_originals_queue_keeps_it_and_adds_what_it_lacks(
    settings: TransportSettings, classic: str
) -> None:
    """Its content stays; an outside producer that publishes by the actor's name reaches it; dead letters have a place."""
    async with connected(settings) as transport, administered(settings) as admin:
        await transport.send(classic, b"kept")
        await admin.create(classic, QueueSpec())
        assert (await admin.measure(classic)).ready == 1
        assert (await one(transport, classic)).body == b"kept"
        assert (await admin.measure(f"{classic}-dlq")).total == 0

        def publish_as_the_original_does() -> None:
            connection = pika.BlockingConnection(pika.URLParameters(settings.rabbitmq_url))
            connection.channel().basic_publish("asya", classic.removeprefix("asya-"), b"by actor")
            connection.close()

        await asyncio.to_thread(publish_as_the_original_does)
        assert (await one(transport, classic)).body == b"by actor"
        await admin.delete(f"{classic}-dlq", force=True)


async def test_an_exchange_of_another_kind_is_named_and_kept(settings: TransportSettings) -> None:
    """It belongs to someone else."""
    odd = f"asya-odd-{next(NUMBERS)}"
    async with administered(replace(settings, rabbitmq_exchange="amq.fanout")) as admin:
        with pytest.raises(TransportError, match=r"exchange 'amq\.fanout' exists, but not as a durable topic exchange"):
            await admin.create(odd, QueueSpec())
        await admin.delete(odd, force=True)


async def test_without_the_management_api_counts_are_ready_only_and_a_consumer_protects_a_queue(
    settings: TransportSettings,
) -> None:
    """AMQP does not tell what is in flight, so a queue with a consumer counts as holding something."""
    bare = replace(settings, rabbitmq_management_url=None)
    queue = f"asya-bare-{next(NUMBERS)}"
    async with connected(bare) as transport, administered(bare) as admin:
        await admin.create(queue, QueueSpec())
        consumer = await transport.consume(queue)
        assert not await admin.delete(queue)
        await transport.send(queue, b"taken")
        (delivery,) = await consumer.receive(1, PATIENCE_S)
        assert await admin.measure(queue) == Depth(ready=0)
        assert not await admin.delete(queue)
        await consumer.ack(delivery)
        await consumer.stop()
        assert await admin.delete(queue)
        with pytest.raises(TransportError, match="ASYA_RABBITMQ_MANAGEMENT_URL"):
            await admin.list_queues("asya-")


async def test_a_taken_envelope_counts_as_in_flight_at_once(settings: TransportSettings) -> None:
    """The management API's sample is old; what it saw waiting and is gone was taken."""
    queue = f"asya-flight-{next(NUMBERS)}"
    async with connected(settings) as transport, administered(settings) as admin:
        await admin.create(queue, QueueSpec())
        await transport.send(queue, b"work")
        listing = f"/api/queues/%2F?disable_stats=true&enable_queue_totals=true&page=1&name={queue}"
        async with asyncio.timeout(PATIENCE_S):  # Until the waiting envelope is in the sample.
            while True:
                found = await asyncio.to_thread(call_management, str(settings.rabbitmq_management_url), "GET", listing)
                if [item["messages_ready"] for item in found["items"] if item["name"] == queue] == [1]:
                    break
        consumer = await transport.consume(queue)
        (delivery,) = await consumer.receive(1, PATIENCE_S)
        for _ in range(20):
            assert (await admin.measure(queue)).in_flight == 1
        assert not await admin.delete(queue)
        await consumer.ack(delivery)
        await eventually(lambda: admin.measure(queue), Depth(ready=0))
        await consumer.stop()
        assert await admin.delete(queue)


async def test_releases_never_use_up_a_queues_delivery_limit(settings: TransportSettings) -> None:
    """Before RabbitMQ 4.3 each return counts; a copy starts again, with body and attributes as they were."""
    queue = f"asya-patient-{next(NUMBERS)}"
    async with connected(settings) as transport, administered(settings) as admin:
        await admin.create(queue, QueueSpec(max_deliveries=20))
        consumer = await transport.consume(queue)
        await transport.send(queue, b"{}", attributes={"source": "scanner"})
        for _ in range(50):
            (delivery,) = await consumer.receive(1, PATIENCE_S)
            await consumer.release(delivery)
        (delivery,) = await consumer.receive(1, PATIENCE_S)
        assert (delivery.body, delivery.attributes) == (b"{}", {"source": "scanner"})
        await consumer.ack(delivery)
        assert (await admin.measure(f"{queue}-dlq")).total == 0
        assert await admin.delete(queue, force=True)


async def test_a_body_over_the_default_of_its_version_is_refused_before_it_closes_the_channel(
    settings: TransportSettings,
) -> None:
    """Since 4.0 it is 16 MiB; others that are on their way are not disturbed, and a broker set otherwise is believed."""
    queue, url = f"asya-large-{next(NUMBERS)}", settings.rabbitmq_management_url or ""
    overview = await asyncio.to_thread(call_management, url, "GET", "/api/overview")
    newer = overview["rabbitmq_version"].startswith("4.")
    async with connected(settings) as transport, administered(settings) as admin:
        await admin.create(queue, QueueSpec())
        limit = transport.max_body_bytes
        assert limit == (16 if newer else 128) * 1024 * 1024
        over = transport.send(queue, b"x" * (limit + 1))
        outcomes = await asyncio.gather(
            transport.send(queue, b"1"), over, transport.send(queue, b"2"), return_exceptions=True
        )
        assert [type(each) for each in outcomes] == [type(None), EnvelopeTooLarge, type(None)]
        assert await admin.delete(queue, force=True)
    async with connected(replace(settings, rabbitmq_max_body_bytes=2_000)) as transport:
        assert transport.max_body_bytes == 2_000


async def test_what_a_broker_holds_back_by_itself_counts_as_delayed(settings: TransportSettings) -> None:
    """Since 4.3 a policy may delay retries; a scaler that saw nothing there would stop whoever must take them."""
    queue, url = f"asya-held-back-{next(NUMBERS)}", settings.rabbitmq_management_url or ""
    policy = {"pattern": f"^{queue}$", "apply-to": "quorum_queues", "definition": HELD_BACK}
    overview = await asyncio.to_thread(call_management, url, "GET", "/api/overview")
    if not overview["rabbitmq_version"].startswith("4.3"):
        pytest.skip("this broker delays no retries")
    await asyncio.to_thread(call_management, url, "PUT", f"/api/policies/%2F/{queue}", policy)
    async with connected(settings) as transport, administered(settings) as admin:
        await admin.create(queue, QueueSpec())
        consumer = await transport.consume(queue)
        await transport.send(queue, b"{}")
        (delivery,) = await consumer.receive(1, PATIENCE_S)
        await consumer.release(delivery)
        await eventually(lambda: admin.measure(queue), Depth(0, delayed=1))
        assert not await admin.delete(queue)
        assert await admin.delete(queue, force=True)


async def test_a_release_with_a_delay_comes_again_after_it(settings: TransportSettings, classic: str) -> None:
    """By a delayed copy, so that who cannot work now does not spin."""
    async with connected(settings) as transport:
        consumer = await transport.consume(classic)
        await transport.send(classic, b"{}", attributes={"source": "scanner"})
        (delivery,) = await consumer.receive(1, PATIENCE_S)
        released_s = time.monotonic()
        await consumer.release(delivery, delay_s=0.8)
        (again,) = await consumer.receive(1, PATIENCE_S)
        assert time.monotonic() - released_s >= 0.7
        assert (again.body, again.attributes) == (b"{}", {"source": "scanner"})
        await consumer.ack(again)


async def test_vhosts_and_credentials_of_any_spelling_work(settings: TransportSettings) -> None:
    """Escaped in the URL; the management API takes the same user."""
    number = next(NUMBERS)
    vhost, user, password = f"te/am ü {number}", f"us@er {number}", "p:w/é%"
    quoted = {text: urllib.parse.quote(text, safe="") for text in (vhost, user, password)}
    root = str(settings.rabbitmq_management_url)
    everything = {"configure": ".*", "write": ".*", "read": ".*"}

    def prepare() -> None:
        call_management(root, "PUT", f"/api/vhosts/{quoted[vhost]}")
        account = {"password": password, "tags": "monitoring"}
        call_management(root, "PUT", f"/api/users/{quoted[user]}", account)
        call_management(root, "PUT", f"/api/permissions/{quoted[vhost]}/{quoted[user]}", everything)

    await asyncio.to_thread(prepare)
    broker = settings.rabbitmq_url.rsplit("@", 1)[1].strip("/")
    management = f"http://{root.rsplit('@', 1)[1]}"
    url = f"amqp://{quoted[user]}:{quoted[password]}@{broker}/{quoted[vhost]}"
    theirs = TransportSettings(rabbitmq_url=url, rabbitmq_management_url=management)
    async with connected(theirs) as transport, administered(theirs) as admin:
        await admin.create("asya-here", QueueSpec())
        await transport.send("asya-here", b"x")
        assert (await one(transport, "asya-here")).body == b"x"
        assert "asya-here" in await admin.list_queues("asya-")
        await eventually(lambda: admin.measure("asya-here"), Depth(ready=0))
    wrong = f"amqp://{quoted[user]}:wrong@{broker}/{quoted[vhost]}"
    refused = RabbitMqTransport(TransportSettings(rabbitmq_url=wrong, queue_retry_max_attempts=1))
    with pytest.raises(TransportUnavailable, match="user name or password"):
        await refused.connect()
    await refused.close()
    await asyncio.to_thread(call_management, root, "DELETE", f"/api/vhosts/{quoted[vhost]}")
    await asyncio.to_thread(call_management, root, "DELETE", f"/api/users/{quoted[user]}")


async def test_a_management_api_that_is_away_or_refuses_is_named(settings: TransportSettings) -> None:
    """Without showing the password."""
    (port,) = free_ports(1)
    async with administered(replace(settings, rabbitmq_management_url=f"http://u:hunter2@127.0.0.1:{port}")) as admin:
        with pytest.raises(TransportUnavailable, match=f"127.0.0.1:{port}") as caught:
            await admin.list_queues("asya-")
        assert "hunter2" not in str(caught.value)
    wrong = str(settings.rabbitmq_management_url).replace("guest:guest", "guest:wrong")
    async with administered(replace(settings, rabbitmq_management_url=wrong)) as admin:
        with pytest.raises(TransportError, match="user name or password is wrong"):
            await admin.list_queues("asya-")


async def test_tls_is_verified_against_the_given_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An amqps URL; without the authority, by the URL or for the whole process, the broker is refused."""
    require_server()
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed, which makes the certificate for this test")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    argv = [*command, *names, "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, argv, check=True, capture_output=True)
    (port,) = free_ports(1)
    lines = [
        f"listeners.ssl.local = 127.0.0.1:{port}",
        f"ssl_options.cacertfile = {certificate}",
        f"ssl_options.certfile = {certificate}",
        f"ssl_options.keyfile = {key}",
    ]
    server = RabbitMqServer(settings="\n".join(lines))
    try:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(
            wait_until, lambda: is_open(port), PATIENCE_S, "TLS answers"
        )  # it listens after all others
        url = f"amqps://guest:guest@localhost:{port}/"
        stranger = RabbitMqTransport(TransportSettings(rabbitmq_url=url, queue_retry_max_attempts=1))
        with pytest.raises(TransportUnavailable, match="certificate verify failed"):
            await stranger.connect()
        await stranger.close()
        options = urllib.parse.quote(str({"ca_certs": str(certificate)}), safe="")
        trusting = TransportSettings(rabbitmq_url=f"{url}?ssl_options={options}")
        async with connected(trusting) as transport, administered(trusting) as admin:
            await admin.create("asya-tls", QueueSpec())
            await transport.send("asya-tls", b"secret")
            assert (await one(transport, "asya-tls")).body == b"secret"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with connected(TransportSettings(rabbitmq_url=url)) as transport:
            await transport.send("asya-tls", b"secret, too")
    finally:
        await asyncio.to_thread(server.close)
