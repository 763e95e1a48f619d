"""The program of every environment: read the stack's settings, choose one of each part, build the mesh on them."""

import pulumi

import asya_oss as oss
from asya_aws import Aws, read_aws_settings
from asya_infra import AsyaMesh, LocalEnvironment, Settings, declare, mesh_options, read_declared, read_settings


def build(settings: Settings) -> AsyaMesh | LocalEnvironment:
    """Make the environment that the settings describe; nothing is made of what they do not ask for."""
    if settings.cluster == "none":
        return LocalEnvironment("mesh", settings)
    options = mesh_options(settings)
    aws = Aws(settings, read_aws_settings(config))
    clusters = {"kubeconfig": oss.kubeconfig_cluster, "kind": oss.kind_cluster, "eks": aws.cluster}
    queues = {
        "rabbitmq": oss.rabbitmq,
        "rabbitmq-endpoint": oss.rabbitmq_endpoint,
        "sqs": aws.queue,
        "sqs-endpoint": oss.sqs_endpoint,
    }
    stores = {"seaweedfs": oss.seaweedfs, "s3": aws.store, "s3-endpoint": oss.s3_endpoint}
    databases = {"postgres": oss.postgres, "rds": aws.database, "url": oss.url_database}

    cluster = clusters[settings.cluster](settings)
    queue = queues[settings.queue](settings, cluster)
    store = stores[settings.store](settings, cluster) if settings.store != "none" else None
    database = databases[settings.database](settings, cluster) if settings.database != "none" else None
    roles = aws.identities(settings)
    return AsyaMesh(
        "mesh", cluster=cluster, queue=queue, store=store, database=database, options=options, identities=roles
    )


config = pulumi.Config("asya")
stack = read_settings(config, pulumi.get_stack())
manifests = read_declared(stack)  # what is wrong in a file is said before anything is made
mesh = build(stack)
actors = declare(mesh, manifests)
for key, value in mesh.outputs.items():
    pulumi.export(key, value)
pulumi.export("actors", {actor.name: {"queue": actor.queue_name, "status": actor.status} for actor in actors})
