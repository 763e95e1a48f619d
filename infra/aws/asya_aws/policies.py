"""Every IAM document of a mesh on AWS, as pure functions: who may do what on what, and why that is enough.

No statement allows an action on ``*``. Where the name of a queue is not known in advance (the operator makes queues, a route
may lead to any actor) the resource is the mesh's own prefix in one account and region. ``ListQueues`` is the one action that
AWS judges by the ARN of no queue at all (``arn:aws:sqs:<region>:<account>:``); its resource is that with a star behind.

Sources: service authorization reference of SQS, S3, KMS; EKS user guide, "Pod Identity role"; what each process calls.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from asya_aws.scope import Scope
from asya_protocol import names

Document = dict[str, Any]
Statement = dict[str, Any]

OPERATOR_ACTIONS: Final = (
    "sqs:CreateQueue",
    "sqs:DeleteQueue",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:SetQueueAttributes",
    "sqs:TagQueue",
)
RECEIVE_ACTIONS: Final = (
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
)
DEAD_LETTER_ACTIONS: Final = ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage")
SEND_ACTIONS: Final = ("sqs:GetQueueUrl", "sqs:SendMessage")
EBS_ACTIONS: Final = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
)
CLAIMS: Final = "claims/"
CANCELS: Final = "cancelled/"
CREW_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    names.HAPPY_END: ("happy-asya/",),
    names.ERROR_END: ("error-asya/",),
    names.FAN_IN: ("fan-in/",),
}
"""Where each of the crew writes besides the claims that it clears away."""


def document(*statements: Statement) -> Document:
    """A policy."""
    return {"Version": "2012-10-17", "Statement": [statement for statement in statements if statement]}


def allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    """A statement that allows."""
    found: Statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return {**found, "Condition": dict(condition)} if condition else found


def trusts_pod(scope: Scope, cluster_arn: str, namespace: str, service_account: str) -> Document:
    """Trust of a pod's role: EKS Pod Identity, from this cluster, for one service account.

    The association names the service account already; the condition holds if somebody associates the role with another one.
    """
    return document(
        {
            "Sid": "PodIdentity",
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {
                "StringEquals": {
                    "aws:SourceAccount": scope.account,
                    "aws:RequestTag/kubernetes-namespace": namespace,
                    "aws:RequestTag/kubernetes-service-account": service_account,
                },
                "ArnEquals": {"aws:SourceArn": cluster_arn},
            },
        }
    )


def trusts_service(service: str, actions: Sequence[str] = ("sts:AssumeRole",)) -> Document:
    """Trust of a role that an AWS service takes: ``eks.amazonaws.com``, ``ec2.amazonaws.com``."""
    return document({"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)})


def operator(scope: Scope) -> Document:
    """The operator makes, changes, counts and deletes queues; it reads no envelope and sends none.

    Deleting asks for a look at what the queue holds, so there is no PurgeQueue.
    """
    return document(
        allow("Queues", OPERATOR_ACTIONS, [scope.queues]),
        allow("ListQueues", ["sqs:ListQueues"], [scope.queue("*")]),
    )


def keda(scope: Scope) -> Document:
    """KEDA counts what waits; nothing else."""
    return document(allow("CountQueues", ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"], [scope.queues]))


def actor(scope: Scope, name: str, sends_to: Sequence[str] | None = None) -> Document:
    """An actor's sidecar and handler: its own queue, the queues that it may send to, large payloads, cancels.

    Args:
        scope: The mesh.
        name: The actor.
        sends_to: The only actors it may send to, besides itself (retries) and the end actors; none allows all of the mesh.
    """
    return document(
        allow("OwnQueue", RECEIVE_ACTIONS, [scope.actor_queue(name)]),
        allow("OwnDeadLetters", SEND_ACTIONS, [scope.actor_queue(f"{name}{names.DLQ_SUFFIX}")]),
        allow("Send", SEND_ACTIONS, _targets(scope, name, sends_to)),
        *_store(scope, [CLAIMS], delete=False),
        *_key(scope),
    )


def crew(scope: Scope, name: str) -> Document:
    """One of the crew: as an actor, and it writes results, clears claims away and answers nobody.

    Only fan-in sends on, and its output may go anywhere.
    """
    sends: Sequence[str] | None = None if name == names.FAN_IN else []
    return document(
        allow("OwnQueue", RECEIVE_ACTIONS, [scope.actor_queue(name)]),
        allow("OwnDeadLetters", SEND_ACTIONS, [scope.actor_queue(f"{name}{names.DLQ_SUFFIX}")]),
        allow("Send", SEND_ACTIONS, _targets(scope, name, sends)),
        *_store(scope, [CLAIMS, *CREW_PREFIXES.get(name, ())], delete=True),
        *_key(scope),
    )


def gateway(scope: Scope) -> Document:
    """The gateway sends to whatever a tool's route begins with, leaves cancels in the store, and replays failures.

    For its console it counts what the queues of the mesh hold, and takes dead letters out of theirs: to show them, to give
    them back, or to send them again. It takes nothing from a queue that an actor works on, and has its list of actors from
    Kubernetes, so that it need not list queues.
    """
    return document(
        allow("Send", SEND_ACTIONS, [scope.queues]),
        allow("CountQueues", ["sqs:GetQueueAttributes"], [scope.queues]),
        allow("DeadLetters", DEAD_LETTER_ACTIONS, [scope.actor_queue(f"*{names.DLQ_SUFFIX}")]),
        *_store(scope, [CANCELS, CLAIMS, *CREW_PREFIXES[names.ERROR_END]], delete=True),
        *_key(scope),
    )


def _targets(scope: Scope, name: str, sends_to: Sequence[str] | None) -> list[str]:
    if sends_to is None:
        return [scope.queues]
    reached = dict.fromkeys((name, *sends_to, names.HAPPY_END, names.ERROR_END))
    return [scope.actor_queue(target) for target in reached]


def _store(scope: Scope, prefixes: Sequence[str], *, delete: bool) -> list[Statement]:
    if not scope.bucket:
        return []
    actions = ["s3:GetObject", "s3:PutObject", *(["s3:DeleteObject"] if delete else [])]
    readable = list(dict.fromkeys([*prefixes, CANCELS]))
    statements = [allow("Objects", actions, [scope.objects(prefix) for prefix in prefixes])]
    if CANCELS not in prefixes:
        statements.append(allow("Cancels", ["s3:GetObject"], [scope.objects(CANCELS)]))
    patterns = [pattern for prefix in readable for pattern in (prefix, f"{prefix}*")]
    condition = {"StringLike": {"s3:prefix": patterns}}
    statements.append(allow("ListOwnPrefixes", ["s3:ListBucket"], [scope.bucket_arn], condition))
    return statements


def _key(scope: Scope) -> list[Statement]:
    """What is encrypted with the mesh's key is read and written through SQS and S3 only."""
    if not scope.key_arn:
        return []
    services = [scope.service("sqs"), *([scope.service("s3")] if scope.bucket else [])]
    condition = {"StringEquals": {"kms:ViaService": services}}
    return [allow("Key", ["kms:Decrypt", "kms:GenerateDataKey"], [scope.key_arn], condition)]


def cluster(scope: Scope) -> Document:
    """What the role of a cluster with Auto Mode has besides AWS's own policies, which let it set no tags but its own."""
    where = f"arn:{scope.partition}:ec2:{scope.region}"
    mine = {"StringEquals": {"aws:RequestTag/eks:eks-cluster-name": "${aws:PrincipalTag/eks:eks-cluster-name}"}}
    return document(
        allow(
            "TagNodes",
            ["ec2:CreateFleet", "ec2:CreateLaunchTemplate", "ec2:RunInstances"],
            [f"{where}:*:*", f"{where}::image/*"],
            mine,
        ),
        allow(
            "TagVolumes",
            ["ec2:CreateSnapshot", "ec2:CreateVolume"],
            [f"{where}:*:volume/*", f"{where}::snapshot/*"],
            mine,
        ),
        allow(
            "TagLoadBalancers",
            [f"elasticloadbalancing:Create{what}" for what in ("Listener", "LoadBalancer", "Rule", "TargetGroup")]
            + ["ec2:CreateSecurityGroup"],
            [
                f"arn:{scope.partition}:elasticloadbalancing:{scope.region}:{scope.account}:*",
                f"{where}:*:security-group/*",
            ],
            mine,
        ),
    )


def node(scope: Scope) -> Document:
    """What nodes have besides AWS's own policies: the first pull through a cache makes its repository."""
    caches = f"arn:{scope.partition}:ecr:{scope.region}:{scope.account}:repository/asya-cache/*"
    return document(allow("Caches", ["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"], [caches]))


def flow_logs(group: str) -> Document:
    """What records a VPC's traffic writes into one log group."""
    actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    return document(allow("Write", actions, [group, f"{group}:*"]))


def key_policy(scope: Scope, *, volumes: bool = False) -> Document:
    """Policy of the mesh's key: the account's own IAM policies decide. In a key's policy ``*`` is that key.

    Args:
        scope: The account.
        volumes: Whether EBS encrypts with it for whoever in the account starts nodes, among them AWS's own roles.
    """
    by_ebs = {
        "Sid": "VolumesByEbs",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": list(EBS_ACTIONS),
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:CallerAccount": scope.account, "kms:ViaService": scope.service("ec2")}},
    }  # fmt: skip
    return document(
        by_ebs if volumes else {},
        {
            "Sid": "AccountDecides",
            "Effect": "Allow",
            "Principal": {"AWS": scope.root},
            "Action": "kms:*",
            "Resource": "*",
        },
    )


def tls_only_bucket(arn: str) -> Document:
    """Policy of a bucket: requests without TLS are refused."""
    return document(
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )


IMAGE_BUCKETS: Final = (
    "prod-{region}-starport-layer-bucket",
    "prod-registry-k8s-io-{region}",
    "quayio-production-s3",
    "al2023-repos-{region}-de612dc2",
)
"""Where layers and packages lie to which registries lead callers from AWS: ECR, registry.k8s.io, quay.io, Amazon Linux.

Sources: https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html; kubernetes/registry.k8s.io,
``cmd/archeio/internal/app/buckets.go``; quay #1539; https://docs.aws.amazon.com/linux/al2023/ug/deterministic-upgrades.html.
"""


def endpoint_policy(scope: Scope, others: Sequence[str] = ()) -> Document:
    """Policy of the VPC's way to S3: the mesh's bucket, where there is one, where images lie, and what else is named.

    What it does not name nobody in the VPC reaches, whatever their role allows.

    Args:
        scope: The mesh.
        others: Buckets that pods may reach as well; their roles still decide.
    """
    anyone = {"Principal": "*"}
    layers = [f"arn:{scope.partition}:s3:::{name.format(region=scope.region)}/*" for name in IMAGE_BUCKETS]
    named = [
        arn for name in others for arn in (f"arn:{scope.partition}:s3:::{name}", f"arn:{scope.partition}:s3:::{name}/*")
    ]
    bucket = [
        allow("Bucket", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], [scope.objects("")]),
        allow("List", ["s3:ListBucket"], [scope.bucket_arn]),
    ]
    more = [allow("Others", ["s3:GetObject", "s3:ListBucket", "s3:PutObject"], named)] if named else []
    allowed = [*(bucket if scope.bucket else []), allow("ImageLayers", ["s3:GetObject"], layers), *more]
    return document(*({**statement, **anyone} for statement in allowed))


def dump(policy: Document) -> str:
    """A document as AWS takes it, the same text every time."""
    return json.dumps(policy, sort_keys=True)
