"""The program of every environment: read the stack's settings, choose one of each part, build the mesh on them."""

from collections.abc import Callable
from dataclasses import replace

import pulumi

import asya_oss as oss
from asya_aws import Aws, check_together, read_aws_settings
from asya_infra import AsyaMesh, LocalEnvironment, Settings, declare, mesh_options, read_declared, read_settings
from asya_infra.config_reader import ConfigReader
from asya_infra.ports import Cluster, Database, Queue, Store


def build(settings: Settings) -> AsyaMesh | LocalEnvironment:
    """Make the environment that the settings describe; nothing is made of what they do not ask for."""
    if settings.cluster == "none":
        return LocalEnvironment("mesh", settings)
    options = mesh_options(settings)
    own = read_aws_settings(config)
    check_together(config, settings, own, pulumi.get_stack())
    aws = Aws(settings, own)
    clusters: dict[str, Callable[[], Cluster]] = {
        "kubeconfig": lambda: oss.kubeconfig_cluster(settings),
        "kind": oss.kind_cluster,
        "eks": aws.cluster,
    }
    cluster = clusters[settings.cluster]()
    options = replace(options, ingress=options.ingress or aws.ingress())
    queues: dict[str, Callable[[], Queue]] = {
        "rabbitmq": lambda: oss.rabbitmq(settings, cluster),
        "rabbitmq-endpoint": lambda: oss.rabbitmq_endpoint(settings),
        "sqs": aws.queue,
        "sqs-endpoint": lambda: oss.sqs_endpoint(settings),
    }
    stores: dict[str, Callable[[], Store | None]] = {
        "seaweedfs": lambda: oss.seaweedfs(settings, cluster),
        "s3": aws.store,
        "s3-endpoint": lambda: oss.s3_endpoint(settings),
        "none": lambda: None,
    }
    databases: dict[str, Callable[[], Database | None]] = {
        "postgres": lambda: oss.postgres(settings, cluster),
        "rds": aws.database,
        "url": lambda: oss.url_database(settings),
        "none": lambda: None,
    }
    queue, store, database = queues[settings.queue](), stores[settings.store](), databases[settings.database]()
    roles = aws.identities()
    return AsyaMesh(
        "mesh", cluster=cluster, queue=queue, store=store, database=database, options=options, identities=roles
    )


config = ConfigReader()
stack = read_settings(config, pulumi.get_stack())
manifests = read_declared(stack)  # what is wrong in a file is said before anything is made
mesh = build(stack)
actors = declare(mesh, manifests)
if isinstance(mesh, AsyaMesh):
    mesh.stay_while_used(actors)
for key, value in mesh.outputs.items():
    pulumi.export(key, value)
pulumi.export("actors", {actor.name: {"queue": actor.queue_name, "status": actor.status} for actor in actors})
