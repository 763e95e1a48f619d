"""`make up` on a real Kubernetes: a mesh from one program, actors from another, an envelope through them, nothing left.

Nothing stands in: the engine, the provider for Kubernetes and the cluster are real, the images our own.
"""

import pytest

from tests.e2e.stack.conftest import Checkouts
from tests.support.cluster import Cluster, eventually
from tests.support.installed import BUCKET, Brokers
from tests.support.wire import Wire, envelope

pytestmark = pytest.mark.timeout(2400)

TRANSPORTS = {"localstack": "sqs", "oss": "rabbitmq"}
IMAGES = {f"{room}Image": f"localhost/asya-{room}:dev" for room in ("operator", "sidecar", "crew")}


def settings(environment: str, brokers: Brokers) -> dict[str, object]:
    """What a user sets: where brokers and store are, and images that are in the cluster already."""
    common: dict[str, object] = {**IMAGES, "imagePullPolicy": "Never", "bucket": BUCKET, "manifests": []}
    common |= {"s3Endpoint": brokers.aws, "accessKey": "test", "secretKey": "test", "waitSeconds": "400"}
    if environment == "localstack":
        return common | {"sqsEndpoint": brokers.aws}
    return common | {
        "queue": "rabbitmq-endpoint",
        "rabbitmqUrl": f"amqp://guest@{brokers.host}:{brokers.amqp_port}/",
        "rabbitmqManagementUrl": f"http://{brokers.host}:{brokers.management_port}",
        "password": "guest",
        "store": "s3-endpoint",
    }


@pytest.mark.usefixtures("word_image")
@pytest.mark.parametrize("environment", TRANSPORTS)
def test_a_mesh_and_its_actors_from_nothing_to_nothing(
    environment: str, checkouts: Checkouts, cluster: Cluster, brokers: Brokers, wire: Wire
) -> None:
    transport = TRANSPORTS[environment]
    mesh, words = checkouts
    mesh.set(environment, **settings(environment, brokers))
    words.set("cluster", transport=transport, waitSeconds="400")
    try:
        code, said = mesh.make("up", environment)
        assert code == 0, said[-6000:]
        code, said = mesh.make("up", environment)
        assert code == 0 and "unchanged" in said and "created" not in said and "updated" not in said, said[-3000:]

        code, said = words.make("up", "cluster")
        assert code == 0, said[-6000:]
        columns = cluster.kubectl("-n", "asya", "get", "asya", "--no-headers").splitlines()
        assert {row.split()[0] for row in columns} >= {"clean", "count", "rank", "happy-end", "error-end"}

        name = f"words-{transport}"
        wire.send(transport, [envelope(name, "clean", "count", "rank", text="to be or not to be")])
        assert wire.result(name)["payload"] == {"most": ["be", "to", "not"], "total": 6}

        code, said = words.make("up", "cluster")
        assert code == 0 and "unchanged" in said and "created" not in said and "updated" not in said, said[-3000:]

        # The actors of another program would never end without their operator.
        code, said = mesh.make("down", environment)
        assert code != 0 and "asya/clean" in said and "nothing was removed" in said, said[-3000:]
        assert "deployment.apps/asya-operator" in cluster.kubectl("-n", "asya-system", "get", "deploy", "-o", "name")

        program = words.root / "__main__.py"
        program.write_text(program.read_text(encoding="utf-8").replace("words.rank", "words.rnak"), encoding="utf-8")
        code, said = words.make("up", "cluster")
        assert code != 0 and "cannot load its handler" in said and "rnak" in said, said[-3000:]
    finally:
        gone = [words.make("down", "cluster"), mesh.make("down", environment)]
    assert [code for code, _ in gone] == [0, 0], "\n".join(said[-3000:] for _, said in gone)
    left = cluster.kubectl("get", "crd,namespace,clusterrole,clusterrolebinding", "-o", "name").splitlines()
    assert [each for each in left if "asya" in each] == []
    eventually(lambda: wire.queues(transport), lambda queues: not queues, 60, "all queues of the mesh to be gone")
