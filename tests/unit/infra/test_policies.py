"""IAM documents: the grammar of AWS, what each role may and may not do, and that nothing names a bare star."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from asya_aws import policies
from asya_aws.scope import Scope

pytestmark = pytest.mark.unit

REGION, ACCOUNT = "eu-central-1", "123456789012"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
SCOPE = Scope(region=REGION, account=ACCOUNT, key_arn=KEY, bucket="results")
FLOW = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:flow"
CLUSTER = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/c"

IDENTITY: dict[str, policies.Document] = {
    "operator": policies.operator(SCOPE),
    "keda": policies.keda(SCOPE),
    "actor": policies.actor(SCOPE, "ocr"),
    "actor that sends to one": policies.actor(SCOPE, "ocr", ["grade"]),
    "happy-end": policies.crew(SCOPE, "happy-end"),
    "error-end": policies.crew(SCOPE, "error-end"),
    "fan-in": policies.crew(SCOPE, "fan-in"),
    "gateway": policies.gateway(SCOPE),
    "flow logs": policies.flow_logs(FLOW),
    "without a store": policies.actor(Scope(region=REGION, account=ACCOUNT), "ocr"),
}
RESOURCE: dict[str, policies.Document] = {
    "key": policies.key_policy(SCOPE),
    "bucket": policies.tls_only_bucket(SCOPE.bucket_arn),
    "way to S3": policies.endpoint_policy(SCOPE),
    "way to S3 without a bucket": policies.endpoint_policy(Scope(region=REGION, account=ACCOUNT)),
}
TRUST: dict[str, policies.Document] = {
    "pod": policies.trusts_pod(SCOPE, CLUSTER, "asya", "asya-ocr"),
    "service": policies.trusts_service("eks.amazonaws.com"),
}


def data(path: str) -> Any:
    """What cfn-lint ships; found without importing it, which takes seconds."""
    found = importlib.util.find_spec("cfnlint")
    assert found is not None and found.submodule_search_locations
    return json.loads(Path(found.submodule_search_locations[0], "data", path).read_text(encoding="utf-8"))


def grammar(name: str) -> jsonschema.Draft202012Validator:
    """AWS's grammar of policies; of draft 7, but cfn-lint reads what stands beside a `$ref`, too."""
    folder = "schemas/other/iam"
    shared = Resource.from_contents(data(f"{folder}/policy.json"), default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("policy", shared)
    return jsonschema.Draft202012Validator(data(f"{folder}/{name}.json"), registry=registry)


@pytest.mark.parametrize("duty", IDENTITY)
def test_a_role_s_policy_keeps_to_the_grammar(duty: str) -> None:
    grammar("policy_identity").validate(IDENTITY[duty])


@pytest.mark.parametrize("of", [*RESOURCE, *TRUST])
def test_a_resource_s_policy_keeps_to_the_grammar(of: str) -> None:
    name = "policy_resource" if of in RESOURCE else "policy_trust"
    grammar(name).validate((RESOURCE | TRUST)[of])


def test_the_grammar_refuses_what_is_none() -> None:
    wrong = policies.document({"Effect": "Perhaps", "Action": ["sqs:SendMessage"], "Resource": ["somewhere"]})
    assert list(grammar("policy_identity").iter_errors(wrong))


@pytest.mark.parametrize("duty", [*IDENTITY, *TRUST])
def test_every_action_exists_and_takes_a_resource(duty: str) -> None:
    services = data("AdditionalSpecs/Policies.json")
    for statement in statements((IDENTITY | TRUST)[duty]):
        for action in statement["Action"]:
            service, _, name = action.partition(":")
            found = services[service]["Actions"][name.lower()]
            # ListQueues alone is judged by no resource in the reference; in fact AWS compares the ARN of no queue.
            assert found.get("Resources") or action == "sqs:ListQueues" or "Principal" in statement


def statements(document: policies.Document) -> Iterator[dict[str, Any]]:
    yield from document["Statement"]


@pytest.mark.parametrize("duty", IDENTITY)
def test_no_role_has_a_bare_star(duty: str) -> None:
    for statement in statements(IDENTITY[duty]):
        assert all("*" not in action for action in statement["Action"])
        for resource in statement["Resource"]:
            assert resource.startswith(("arn:aws:sqs:eu-central-1:123456789012:", "arn:aws:s3:::results", KEY, FLOW))
            if resource.endswith(":*") and resource != f"{FLOW}:*":
                assert statement["Action"] == ["sqs:ListQueues"]


@pytest.mark.parametrize("duty", IDENTITY)
def test_a_role_s_policy_fits_into_a_role(duty: str) -> None:
    assert len(json.dumps(IDENTITY[duty], separators=(",", ":"))) < 10_240  # AWS's limit of inline policies of a role


def may(document: policies.Document, action: str, resource: str) -> bool:
    """A policy's answer, without conditions: allow statements that match."""
    return any(
        statement["Effect"] == "Allow"
        and any(fnmatchcase(action, pattern) for pattern in statement["Action"])
        and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
        for statement in statements(document)
    )


Q = SCOPE.actor_queue
TABLE: list[tuple[str, str, str, bool]] = [
    ("operator", "sqs:CreateQueue", Q("ocr"), True),
    ("operator", "sqs:SetQueueAttributes", Q("ocr-dlq"), True),
    ("operator", "sqs:ListQueues", f"arn:aws:sqs:{REGION}:{ACCOUNT}:", True),
    ("operator", "sqs:SendMessage", Q("ocr"), False),
    ("operator", "sqs:ReceiveMessage", Q("ocr"), False),
    ("operator", "sqs:DeleteQueue", SCOPE.queue("somebody-elses"), False),
    ("keda", "sqs:GetQueueAttributes", Q("ocr"), True),
    ("keda", "sqs:ReceiveMessage", Q("ocr"), False),
    ("keda", "sqs:SendMessage", Q("ocr"), False),
    ("actor", "sqs:ReceiveMessage", Q("ocr"), True),
    ("actor", "sqs:ReceiveMessage", Q("grade"), False),
    ("actor", "sqs:SendMessage", Q("grade"), True),
    ("actor", "sqs:SendMessage", SCOPE.queue("somebody-elses"), False),
    ("actor", "sqs:DeleteQueue", Q("ocr"), False),
    ("actor", "s3:PutObject", "arn:aws:s3:::results/claims/1", True),
    ("actor", "s3:PutObject", "arn:aws:s3:::results/happy-asya/1", False),
    ("actor", "s3:DeleteObject", "arn:aws:s3:::results/claims/1", False),
    ("actor", "kms:Decrypt", KEY, True),
    ("actor that sends to one", "sqs:SendMessage", Q("grade"), True),
    ("actor that sends to one", "sqs:SendMessage", Q("ocr"), True),
    ("actor that sends to one", "sqs:SendMessage", Q("ocr-dlq"), True),
    ("actor that sends to one", "sqs:SendMessage", Q("error-end"), True),
    ("actor that sends to one", "sqs:SendMessage", Q("other"), False),
    ("happy-end", "s3:PutObject", "arn:aws:s3:::results/happy-asya/1", True),
    ("happy-end", "s3:PutObject", "arn:aws:s3:::results/error-asya/1", False),
    ("happy-end", "s3:DeleteObject", "arn:aws:s3:::results/claims/1", True),
    ("happy-end", "sqs:SendMessage", Q("ocr"), False),
    ("error-end", "s3:PutObject", "arn:aws:s3:::results/error-asya/1", True),
    ("fan-in", "sqs:SendMessage", Q("ocr"), True),
    ("gateway", "sqs:SendMessage", Q("ocr"), True),
    ("gateway", "sqs:GetQueueAttributes", Q("ocr"), True),
    ("gateway", "sqs:GetQueueAttributes", Q("ocr-dlq"), True),
    ("gateway", "sqs:GetQueueAttributes", SCOPE.queue("somebody-elses"), False),
    ("gateway", "sqs:SendMessage", SCOPE.queue("somebody-elses"), False),
    *(
        ("gateway", f"sqs:{action}", queue, allowed)
        for action in ("ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility")
        for queue, allowed in ((Q("ocr-dlq"), True), (Q("ocr"), False), (SCOPE.queue("somebody-elses-dlq"), False))
    ),
    ("gateway", "sqs:PurgeQueue", Q("ocr-dlq"), False),
    ("gateway", "sqs:SetQueueAttributes", Q("ocr-dlq"), False),
    ("gateway", "sqs:DeleteQueue", Q("ocr-dlq"), False),
    ("gateway", "s3:PutObject", "arn:aws:s3:::results/cancelled/1", True),
    ("gateway", "s3:GetObject", "arn:aws:s3:::results/error-asya/x.json", True),
    ("gateway", "s3:DeleteObject", "arn:aws:s3:::results/error-asya/x.json", True),
    ("gateway", "s3:GetObject", "arn:aws:s3:::results/happy-asya/x.json", False),
    ("without a store", "s3:PutObject", "arn:aws:s3:::results/claims/1", False),
]


@pytest.mark.parametrize(("duty", "action", "resource", "allowed"), TABLE)
def test_each_role_may_do_its_duty_and_no_more(duty: str, action: str, resource: str, *, allowed: bool) -> None:
    assert may(IDENTITY[duty], action, resource) is allowed


@pytest.mark.parametrize("write", [policies.operator, policies.keda, policies.gateway])
def test_another_prefix_s_queues_are_another_mesh_s(write: Callable[[Scope], policies.Document]) -> None:
    document = write(Scope(region=REGION, account=ACCOUNT, prefix="team-b-"))
    assert not may(document, "sqs:GetQueueUrl", Q("ocr"))
    assert may(document, "sqs:GetQueueUrl", SCOPE.queue("team-b-ocr"))


def test_a_pod_s_role_trusts_one_service_account_of_one_cluster() -> None:
    (statement,) = statements(TRUST["pod"])
    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert statement["Condition"] == {
        "StringEquals": {
            "aws:SourceAccount": ACCOUNT,
            "aws:RequestTag/kubernetes-namespace": "asya",
            "aws:RequestTag/kubernetes-service-account": "asya-ocr",
        },
        "ArnEquals": {"aws:SourceArn": CLUSTER},
    }


def test_the_key_is_used_through_sqs_and_s3_only() -> None:
    (statement,) = [each for each in statements(IDENTITY["actor"]) if each["Sid"] == "Key"]
    assert statement["Condition"] == {
        "StringEquals": {"kms:ViaService": ["sqs.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com"]}
    }
