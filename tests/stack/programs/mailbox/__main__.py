"""What stack tests need of every sort: fixed and automatic names, a secret, a role, dependencies, Kubernetes objects."""

import json

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

config = pulumi.Config()


class Mailbox(pulumi.ComponentResource):
    """A queue and its dead-letter queue."""

    url: pulumi.Output[str]

    def __init__(self, name: str, timeout_s: int, tags: "dict[str, pulumi.Input[str]]") -> None:
        super().__init__("mailbox:index:Mailbox", name)
        inside = pulumi.ResourceOptions(parent=self)
        dead = aws.sqs.Queue(f"{name}-dlq", name=f"asya-{name}-dlq", opts=inside)
        redrive = pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 5})
        self.queue = aws.sqs.Queue(
            name,
            name=config.get("queueName") or f"asya-{name}",
            visibility_timeout_seconds=timeout_s,
            redrive_policy=redrive,
            tags=tags,
            opts=inside,
        )
        self.url = self.queue.url
        self.register_outputs({"url": self.url})


token = config.get_secret("token") or pulumi.Output.secret("none")
box = Mailbox("echo", config.get_int("timeout") or 30, {"env": pulumi.get_stack(), "token": token})
bucket = aws.s3.Bucket("results", force_destroy=True)
trust = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
role = aws.iam.Role("reader", assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
reads = box.queue.arn.apply(
    lambda arn: json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": arn}]}
    )
)
aws.iam.RolePolicy("reader", role=role.name, policy=reads)

namespace = kubernetes.core.v1.Namespace("room", metadata={"name": "room"})
settings = kubernetes.core.v1.ConfigMap(
    "settings", metadata={"namespace": namespace.metadata["name"]}, data={"queue": box.url}
)
labels = {"app": "echo"}
kubernetes.apps.v1.Deployment(
    "echo",
    metadata={"name": "echo", "namespace": namespace.metadata["name"]},
    spec={
        "replicas": 1,
        "selector": {"match_labels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "containers": [
                    {
                        "name": "echo",
                        "image": "echo:1",
                        "env_from": [{"config_map_ref": {"name": settings.metadata["name"]}}],
                    }
                ]
            },
        },
    },
)
pulumi.export("url", box.url)
pulumi.export("bucket", bucket.bucket)
pulumi.export("role", role.name)
pulumi.export("tags", box.queue.tags_all)
pulumi.export("settings", settings.metadata["name"])
pulumi.export("account", aws.get_caller_identity_output().account_id)
