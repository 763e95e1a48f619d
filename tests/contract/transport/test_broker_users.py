"""What each part of a mesh may do at RabbitMQ with the user that it is given, and what it may not."""

import pytest

from asya_protocol.errors import TransportError
from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueSpec
from lab.servers.rabbitmq import Address, call_management
from tests.contract.transport.conftest import RABBITMQ
from tests.support.broker_bench import BrokerBench, receive_all, receive_one
from tests.support.broker_users import USERS, rabbitmq_settings, sign_in

pytestmark = pytest.mark.parametrize("version", RABBITMQ.values())


@pytest.fixture
def server(request: pytest.FixtureRequest, version: str) -> Address:
    found: Address = request.getfixturevalue("rabbitmq_servers")(version)
    sign_in(found)
    return found


@pytest.mark.parametrize("part", ["actors", "gateway"])
async def test_who_moves_envelopes_makes_and_deletes_no_queue(server: Address, part: str) -> None:
    bench = BrokerBench(rabbitmq_settings(server, "operator"), actors=rabbitmq_settings(server, part))
    queue = await bench.queue()
    transport = await bench.transport()
    await transport.send(queue, b"now")
    await transport.send(queue, b"later", delay_s=0.05)
    consumer = await transport.consume(queue)
    found = await receive_all(consumer, expected=2)
    assert [each.body for each in found] == [b"now", b"later"]
    admin = open_admin(rabbitmq_settings(server, part))
    for refused in (admin.create(bench.name_queue(), QueueSpec()), admin.delete(queue, force=True)):
        with pytest.raises(TransportError):
            await refused
    await admin.close()
    await bench.close()


@pytest.mark.parametrize("part", ["actors", "gateway"])
async def test_who_moves_envelopes_reads_no_queue_of_others(server: Address, part: str) -> None:
    call_management(server.management_url, "PUT", "/api/queues/%2F/somebody-s", {"durable": True})
    transport = open_transport(rabbitmq_settings(server, part))
    await transport.connect()
    with pytest.raises(TransportError):
        await receive_one(await transport.consume("somebody-s"))
    await transport.close()


@pytest.mark.parametrize(
    ("part", "path", "answer"),
    [
        ("actors", "/api/queues", 401),
        ("gateway", "/api/queues", 401),
        ("operator", "/api/queues", 200),
        ("scaler", "/api/queues", 200),
        ("operator", "/api/users", 401),
        ("scaler", "/api/users", 401),
    ],
)
def test_the_management_api_is_for_those_who_count(server: Address, part: str, path: str, answer: int) -> None:
    url = rabbitmq_settings(server, part).rabbitmq_management_url
    if answer == 200:
        assert isinstance(call_management(str(url), "GET", path), list)
        return
    with pytest.raises(RuntimeError, match=f"GET {path}: {answer}"):
        call_management(str(url), "GET", path)


async def test_the_scaler_s_user_cannot_touch_an_envelope(server: Address) -> None:
    bench = BrokerBench(rabbitmq_settings(server, "operator"), actors=rabbitmq_settings(server, "scaler"))
    queue = await bench.queue()
    transport = await bench.transport()
    with pytest.raises(TransportError):
        await transport.send(queue, b"{}")
    await bench.close()


def test_nobody_of_the_mesh_administers_the_broker(server: Address) -> None:
    users = {user["name"]: user["tags"] for user in call_management(server.management_url, "GET", "/api/users")}
    assert {account.name: users[account.name] for account in USERS.values()} == {
        "asya": [],
        "asya-gateway": [],
        "asya-operator": ["monitoring"],
        "asya-scaler": ["monitoring"],
    }
