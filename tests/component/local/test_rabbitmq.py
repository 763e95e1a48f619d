"""The local mesh on a given RabbitMQ: queues, in-flight figures from the management API, results in a folder."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from asya_cli.gateway_client import Gateway
from asya_cli.gateway_http import GatewayHttp
from asya_local import mesh
from lab.servers.rabbitmq import Address, call_management, rabbitmq_server
from tests.support.mesh import RunningMesh, running_mesh, short_home, write_actor

__all__ = ["rabbitmq_server"]

SLOW = "import time\ndef handle(payload):\n    time.sleep(0.3)\n    return payload\n"


@pytest.fixture
def rabbitmq_mesh(tmp_path: Path, rabbitmq_server: Address) -> Iterator[RunningMesh]:
    """A mesh in a virtual host of its own, since the crew's queues have the same names in every mesh."""
    vhost = f"mesh-{uuid.uuid4().hex[:8]}"
    call_management(rabbitmq_server.management_url, "PUT", f"/api/vhosts/{vhost}")
    write_actor(tmp_path, "slow", SLOW)
    (tmp_path / "tools.yaml").write_text("tools: [{name: slow, route: [slow]}]\n")
    options = mesh.UpOptions(
        manifests=(tmp_path,),
        transport="rabbitmq",
        home=short_home(),
        rabbitmq_url=f"{rabbitmq_server.url.rpartition('/')[0]}/{vhost}",
        rabbitmq_management_url=rabbitmq_server.management_url,
    )
    try:
        with running_mesh(options) as running:
            yield running
    finally:
        call_management(rabbitmq_server.management_url, "DELETE", f"/api/vhosts/{vhost}")


async def test_the_whole_mesh_runs_on_a_given_rabbitmq(rabbitmq_mesh: RunningMesh):
    """0 -> N -> 0 with nothing lost; the broker itself is not the mesh's to end."""
    info = rabbitmq_mesh.up()
    assert info.environment()["ASYA_STORE_URL"].startswith("file://")
    ids = await rabbitmq_mesh.send(["slow"], [{"n": number} for number in range(12)])
    found = rabbitmq_mesh.until_results(ids)
    assert sorted(found[envelope_id]["payload"]["n"] for envelope_id in ids) == list(range(12))
    gateway = Gateway(GatewayHttp(info.gateway_url, info.gateway_token_file.read_text().strip()))
    *_, last = gateway.follow(gateway.call("slow", {"n": 99}), 60)
    assert (last.document["status"], last.document["result"]) == ("succeeded", {"n": 99})
    rabbitmq_mesh.until(lambda actor: actor.status == "Napping", "slow")
    assert rabbitmq_mesh.processes("broker") == []
    assert rabbitmq_mesh.down()
