"""Object stores: SeaweedFS in the cluster, and any S3 that exists."""

import json
from typing import Final

import pulumi

from asya_infra.errors import ConfigError
from asya_infra.installation import secret
from asya_infra.pod_shapes import resources
from asya_infra.ports import Cluster, Store
from asya_infra.settings import Settings
from asya_oss import images
from asya_oss.server import Server

NAME: Final = "asya-store-server"
PORT: Final = 8333
METRICS_PORT: Final = 9327
USER_ID: Final = 1000


def seaweedfs(settings: Settings, cluster: Cluster) -> Store:
    """An S3 store in the cluster: one process, a volume; the crew makes the bucket."""
    access, key = _pair(settings)
    known = pulumi.Output.all(access, key).apply(lambda pair: identities(pair[0], pair[1]))
    server = Server(
        "ObjectStore",
        NAME,
        cluster=cluster,
        image=settings.third_party.get("seaweedfs", images.SEAWEEDFS),
        ports={"s3": PORT, "metrics": METRICS_PORT},
        credentials={"S3_ACCESS_KEY": access, "S3_SECRET_KEY": key},
        container={
            "args": arguments("/data", "/etc/seaweedfs/s3.json"),
            "readinessProbe": {"tcpSocket": {"port": "s3"}, "periodSeconds": 5},
            "resources": resources("100m", "256Mi", "1Gi"),
            "volumeMounts": [{"name": "identities", "mountPath": "/etc/seaweedfs", "readOnly": True}],
        },
        volumes=[{"name": "identities", "secret": {"secretName": f"{NAME}-identities"}}],
        extra=[secret(f"{NAME}-identities", NAME, {"s3.json": known})],
        data="/data",
        size="20Gi",
        auth=settings.registry_auth,
        user=USER_ID,
    )
    return Store(
        bucket=settings.bucket,
        endpoint=server.address.apply(lambda host: f"http://{host}:{PORT}"),
        access_key=access,
        secret_key=key,
        ready=tuple(server.objects),
        metrics=NAME,
    )


def s3_endpoint(settings: Settings) -> Store:
    """An S3 that exists, by its URL."""
    return Store(
        bucket=settings.bucket,
        region=settings.region or "us-east-1",
        endpoint=settings.s3_endpoint,
        access_key=settings.access_key,
        secret_key=settings.secret_key,
    )


def arguments(data: str, identities_file: str, port: int = PORT) -> list[str]:
    """What ``weed`` is started with: one process for all, of which S3 and metrics are reached from outside.

    The other servers in it (master, volume, filer) ask nobody for credentials; on the loopback address they also stay who they
    are when the pod comes back with another one. Volumes are made as they are needed, up to what the disk holds, and small,
    as every bucket takes seven at once; an end waits for no other server to notice it.

    Args:
        data: Folder.
        identities_file: Who may do what.
        port: Of S3.
    """
    return [
        "server",
        f"-dir={data}",
        "-volume.max=0",
        "-volume.preStopSeconds=1",
        "-master.volumeSizeLimitMB=256",
        "-master.telemetry=false",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3",
        "-s3.ip.bind=0.0.0.0",
        f"-s3.port={port}",
        f"-metricsPort={METRICS_PORT}",
        "-metricsIp=0.0.0.0",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={identities_file}",
    ]


def identities(access: str, key: str) -> str:
    """Who may do what in SeaweedFS; the one identity is the mesh's."""
    actions = ["Read", "Write", "List", "Tagging", "Admin"]
    return json.dumps(
        {"identities": [{"name": "asya", "credentials": [{"accessKey": access, "secretKey": key}], "actions": actions}]}
    )


def _pair(settings: Settings) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
    if settings.access_key is None or settings.secret_key is None:
        raise ConfigError(
            "asya:accessKey", "and asya:secretKey are not set: pulumi config set --secret asya:accessKey ..."
        )
    return settings.access_key, settings.secret_key
