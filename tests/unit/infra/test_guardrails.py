"""The policy pack's rules: each refuses what it is about, and our own stacks keep all of them."""

import json
from typing import Any

import pytest

from asya_infra.guardrails import GUARDRAILS, UNKNOWN
from tests.support.pulumi_program import ENVIRONMENTS, run_environment, whole_environment

pytestmark = pytest.mark.unit

DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def found(token: str, inputs: dict[str, Any]) -> dict[str, list[str]]:
    problems = {each.name: list(each.problems(token, inputs)) for each in GUARDRAILS if each.demanded}
    return {name: texts for name, texts in problems.items() if texts}


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_our_own_stacks_keep_all_of_them(name: str, *, preview: bool) -> None:
    broken = {each.name: found(each.type, each.inputs) for each in whole_environment(name, preview=preview).resources}
    assert {key: value for key, value in broken.items() if value} == {}


def deployment(**container: Any) -> dict[str, Any]:
    sound = {"name": "c", "image": "c:1", "resources": {"limits": {"memory": "1Gi"}}}
    return {"spec": {"template": {"spec": {"containers": [{**sound, **container}]}}}}


def policy(**statement: Any) -> dict[str, Any]:
    sound = {"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": ["arn:aws:sqs:r:a:q"]}
    return {"policy": json.dumps({"Version": "2012-10-17", "Statement": [{**sound, **statement}]})}


ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
CLOSED = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
BROKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("asya-no-iam-star", ROLE_POLICY, policy(Resource="*")),
    ("asya-no-iam-star", ROLE_POLICY, policy(Action="sqs:*")),
    ("asya-no-iam-star", ROLE_POLICY, policy(Action=["*"])),
    ("asya-no-iam-star", ROLE_POLICY, policy(NotAction=["iam:*"])),
    ("asya-no-iam-star", "aws:iam/role:Role", {"inlinePolicies": [{"name": "p", **policy(Resource="*")}]}),
    ("asya-no-public-bucket", "aws:s3/bucketAcl:BucketAcl", {"acl": "public-read"}),
    (
        "asya-no-public-bucket",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        {**CLOSED, "blockPublicAcls": False},
    ),
    ("asya-no-public-bucket", "aws:s3/bucketPolicy:BucketPolicy", policy(Principal="*")),
    ("asya-encrypted", "aws:sqs/queue:Queue", {"name": "asya-ocr"}),
    ("asya-encrypted", "aws:rds/instance:Instance", {"storageEncrypted": False}),
    ("asya-encrypted", "aws:rds/instance:Instance", {"storageEncrypted": True, "publiclyAccessible": True}),
    (
        "asya-encrypted",
        "kubernetes:core/v1:ConfigMap",
        {
            "metadata": {"name": "asya-operator-config"},
            "data": {
                "transports.json": '{"transports": {"sqs": {"type": "sqs", "config": {"region": "eu-central-1"}}}}'
            },
        },
    ),
    ("asya-no-privileged-pod", DEPLOYMENT, deployment(securityContext={"privileged": True})),
    ("asya-no-privileged-pod", DEPLOYMENT, deployment(securityContext={"capabilities": {"add": ["NET_ADMIN"]}})),
    ("asya-no-privileged-pod", "kubernetes:core/v1:Pod", {"spec": {"hostNetwork": True, "containers": []}}),
    (
        "asya-no-privileged-pod",
        "kubernetes:core/v1:Pod",
        {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}},
    ),
    ("asya-pinned-images", DEPLOYMENT, deployment(image="c")),
    ("asya-pinned-images", DEPLOYMENT, deployment(image="registry:5000/c:latest")),
    ("asya-pinned-images", "kubernetes:asya.sh/v1alpha1:AsyncActor", {"spec": {"image": "ocr:latest"}}),
    ("asya-limits", DEPLOYMENT, deployment(resources={"requests": {"memory": "1Gi"}})),
]


@pytest.mark.parametrize(("name", "token", "inputs"), BROKEN)
def test_what_a_rule_is_about_is_refused_by_that_rule_alone(name: str, token: str, inputs: dict[str, Any]) -> None:
    assert list(found(token, inputs)) == [name]


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        (ROLE_POLICY, policy()),
        (ROLE_POLICY, {"policy": UNKNOWN}),
        (ROLE_POLICY, policy(Effect="Deny", Resource="*", Action="*")),
        ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", CLOSED),
        ("aws:sqs/queue:Queue", {"sqsManagedSseEnabled": True}),
        ("aws:sqs/queue:Queue", {"kmsMasterKeyId": UNKNOWN}),
        (DEPLOYMENT, deployment()),
        (DEPLOYMENT, deployment(image=f"registry/c@sha256:{'0' * 64}")),
        (DEPLOYMENT, deployment(image=UNKNOWN)),
        (DEPLOYMENT, {"spec": UNKNOWN}),
    ],
)
def test_what_is_sound_or_not_known_yet_passes(token: str, inputs: dict[str, Any]) -> None:
    assert found(token, inputs) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {
            "compute": "node-groups",
            "nodeGroups": [{"name": "a", "types": ["m7i.large"]}, {"name": "g", "types": ["g6.xlarge"]}],
        },
        {"volumeKey": "true", "podLogs": "true", "nat": "none", "s3Buckets": ["models-*"], "registryAuth": "{}"},
    ],
    ids=["gpus", "all-options"],
)
def test_what_a_stack_on_aws_may_have_besides_keeps_them_too(changes: dict[str, Any]) -> None:
    seen = run_environment("aws", keda="installed", **changes)
    assert {each.name: found(each.type, each.inputs) for each in seen.resources if found(each.type, each.inputs)} == {}


def test_who_demands_digests_is_told_of_every_tag() -> None:
    (rule,) = [each for each in GUARDRAILS if not each.demanded]
    assert rule.name == "asya-images-by-digest"
    (said,) = rule.problems(DEPLOYMENT, deployment(image="r/c:1"))
    assert said == "container c runs r/c:1 by its tag: make digests, make publish STACK="
    assert list(rule.problems(DEPLOYMENT, deployment(image=f"r/c:1@sha256:{'0' * 64}"))) == []
