"""The program of every environment: read the stack's settings, choose one of each part, build the mesh on them."""

from collections.abc import Callable
from typing import Final

import pulumi

import asya_oss as oss
from asya_infra import (
    AsyaMesh,
    Cluster,
    Database,
    LocalEnvironment,
    Queue,
    Settings,
    Store,
    declare,
    mesh_options,
    read_declared,
    read_settings,
)

CLUSTERS: Final[dict[str, Callable[[Settings], Cluster]]] = {
    "kubeconfig": oss.kubeconfig_cluster,
    "kind": oss.kind_cluster,
}
QUEUES: Final[dict[str, Callable[[Settings, Cluster], Queue]]] = {
    "rabbitmq": oss.rabbitmq,
    "rabbitmq-endpoint": oss.rabbitmq_endpoint,
    "sqs-endpoint": oss.sqs_endpoint,
}
STORES: Final[dict[str, Callable[[Settings, Cluster], Store]]] = {
    "seaweedfs": oss.seaweedfs,
    "s3-endpoint": oss.s3_endpoint,
}
DATABASES: Final[dict[str, Callable[[Settings, Cluster], Database]]] = {
    "postgres": oss.postgres,
    "url": oss.url_database,
}


def build(settings: Settings) -> AsyaMesh | LocalEnvironment:
    """Make the environment that the settings describe."""
    if settings.cluster == "none":
        return LocalEnvironment("mesh", settings)
    options = mesh_options(settings)
    cluster = CLUSTERS[settings.cluster](settings)
    queue = QUEUES[settings.queue](settings, cluster)
    store = STORES[settings.store](settings, cluster) if settings.store != "none" else None
    database = DATABASES[settings.database](settings, cluster) if settings.database != "none" else None
    return AsyaMesh("mesh", cluster=cluster, queue=queue, store=store, database=database, options=options)


stack = read_settings(pulumi.Config("asya"), pulumi.get_stack())
manifests = read_declared(stack)  # what is wrong in a file is said before anything is made
mesh = build(stack)
actors = declare(mesh, manifests)
for key, value in mesh.outputs.items():
    pulumi.export(key, value)
pulumi.export("actors", {actor.name: {"queue": actor.queue_name, "status": actor.status} for actor in actors})
