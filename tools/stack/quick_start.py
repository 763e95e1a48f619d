"""What PROFILE adds to an environment: the cluster and images of this checkout, and servers that run beside it. Pure.

An evaluation needs no registry and no account: images are those that `make images` has put into the cluster of
`make cluster`, and RabbitMQ, SQS and S3 run on this machine, where pods reach them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {"localstack": ("aws",), "oss": ("aws", "rabbitmq")}
"""The servers of an environment. S3 is LocalStack's in both: MinIO, after which one profile is named, is archived."""
BUCKET: Final = "asya-results"
ACTOR: Final = "hello-actor"
"""The actor of ``examples/asyas/simple-actor.yaml``, which both environments declare."""
KEY: Final = "test"
"""LocalStack takes any."""
GUEST: Final = "guest"
_IMAGES: Final = {f"asya:{room}Image": f"localhost/asya-{room}:dev" for room in ("operator", "sidecar", "crew")}


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers are, as pods and this machine both see them; port 0 for one that does not run."""

    host: str
    aws: int = 0
    amqp: int = 0
    management: int = 0

    @property
    def endpoint(self) -> str:
        """SQS and S3."""
        return f"http://{self.host}:{self.aws}"

    def amqp_url(self, password: str = "") -> str:
        """RabbitMQ; without a password as settings have it."""
        user = f"{GUEST}:{password}" if password else GUEST
        return f"amqp://{user}@{self.host}:{self.amqp}/"


def settings(environment: str, servers: Servers) -> dict[str, Any]:
    """The settings that lead an environment there."""
    found: dict[str, Any] = {**_IMAGES, "asya:imagePullPolicy": "Never", "asya:keda": "installed"}
    found |= {"asya:s3Endpoint": servers.endpoint, "asya:accessKey": KEY, "asya:secretKey": KEY}
    found |= {"asya:bucket": BUCKET}
    if environment == "localstack":
        return found | {"asya:sqsEndpoint": servers.endpoint}
    return found | {
        "asya:queue": "rabbitmq-endpoint",
        "asya:store": "s3-endpoint",
        "asya:rabbitmqUrl": servers.amqp_url(),
        "asya:rabbitmqManagementUrl": f"http://{servers.host}:{servers.management}",
        "asya:password": GUEST,
    }
