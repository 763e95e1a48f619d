"""AWS's rules about settings: each is refused before anything is made, in one line with the key and the cure."""

import datetime
import json
from typing import Any

import pytest

from asya_aws import versions
from asya_aws.checks import STACK_MOST, check_together, has_registry, read_aws_settings
from asya_aws.settings import AwsSettings
from asya_infra.errors import ConfigError
from asya_infra.settings import read_settings
from tests.support.pulumi_program import ON_AWS, run_environment
from tests.support.stack_settings import Given

pytestmark = pytest.mark.unit

REACHED = {"region": "eu-central-1", "apiCidrs": '["203.0.113.7/32"]', "registry": "registry.example/asya"}
A_GATEWAY = {"gatewayImage": "registry.example/g:1", "gatewayTokens": "s", "password": "good-enough"}
GROUP = {"name": "gpu", "types": ["g6.xlarge"]}
ALONE: list[tuple[dict[str, Any], str]] = [
    ({"accountId": "12"}, "asya:accountId: '12' is not twelve digits; pulumi config set asya:accountId 123456789012"),
    ({"assumeRole": "deployer"}, "asya:assumeRole: 'deployer' is no ARN of a role"),
    (
        {"permissionsBoundary": "arn:aws:iam::1:role/x"},
        "asya:permissionsBoundary: 'arn:aws:iam::1:role/x' is no ARN of a",
    ),
    ({"rolePath": "asya"}, "asya:rolePath: 'asya' must begin and end with /; pulumi config set asya:rolePath /asya/"),
    ({"apiCidrs": '["everywhere"]'}, "asya:apiCidrs: 'everywhere' is no network"),
    ({"apiCidrs": '["10.1.0.0/16"]'}, "asya:apiCidrs: '10.1.0.0/16' is private, and apiCidrs are public addresses"),
    ({"apiSources": '["sg-1"]'}, "asya:vpcId: is not set, but asya:apiSources is"),
    ({"compute": "fargate"}, "asya:compute: 'fargate' is not one of auto, node-groups"),
    (
        {"compute": "node-groups", "nodeTypes": '["t4g.large", "t3.large"]'},
        "asya:nodeTypes: t4g.large, t3.large are of two",
    ),
    (
        {"nodeGroups": json.dumps([GROUP])},
        "asya:compute: is auto, which makes its own nodes, but asya:nodeGroups is set; ",
    ),
    ({"compute": "node-groups", "nodeGroups": json.dumps([GROUP])}, "asya:nodeGroups: all have accelerators"),
    (
        {"compute": "node-groups", "nodesMax": "6"},
        "asya:nodesMax: lets nodes grow from 2 to 6, which nothing does: actors would wait for nodes; take asya:compute auto",
    ),
    (
        {
            "compute": "node-groups",
            "nodeGroups": json.dumps([{"name": "cpu", "types": ["t3.large"], "min": 0, "max": 3}]),
        },
        "asya:nodeGroups: lets cpu grow from 0 to 3, which nothing does",
    ),
    ({"autoscaler": "installed"}, "asya:autoscaler: is for node groups, and Auto Mode makes its own nodes"),
    ({"nodeGroups": "[1]"}, "asya:nodeGroups: must be a list of groups"),
    ({"nodeGroups": json.dumps([{**GROUP, "size": 3}])}, "asya:nodeGroups: 'size' is none of name, types, min, max"),
    ({"nodeGroups": json.dumps([{**GROUP, "min": "3"}])}, "asya:nodeGroups: min of {"),
    ({"nodeGroups": json.dumps([{"name": "cpu"}])}, 'asya:nodeGroups: {"name": "cpu"} needs a name and types'),
    ({"gatewayCidrs": '["everywhere"]'}, "asya:gatewayCidrs: 'everywhere' is no network"),
    ({"gatewayScheme": "public"}, "asya:gatewayScheme: 'public' is not one of internal, internet-facing"),
    ({"flowLogDays": "14", "clusterName": "theirs"}, "asya:flowLogDays: is for a VPC that the stack makes"),
    ({"monthlyBudget": "100"}, "asya:alarmEmail: is not set, and a budget tells somebody"),
]
TOGETHER: list[tuple[dict[str, str], str, str]] = [
    (
        {"apiCidrs": ""},
        "aws",
        "asya:apiCidrs: is not set, so that nobody could reach the cluster's API: name the addresses",
    ),
    (
        {"apiCidrs": "", "vpcId": "vpc-1", "subnetIds": '["a", "b"]'},
        "aws",
        "asya:apiCidrs: is not set, so that nobody could reach",
    ),
    (
        {"registry": ""},
        "aws",
        "asya:operatorImage: 'asya-operator:0.2.0' names no registry, and EKS would look for it on Docker Hub; "
        "pulumi config set asya:operatorImage REGISTRY/asya-operator:0.2.0",
    ),
    ({"crewImage": "team/crew:1"}, "aws", "asya:crewImage: 'team/crew:1' names no registry"),
    (
        {"keda": "https://example.invalid/keda.yaml"},
        "aws",
        "asya:kedaSha256: is not set, and what https://example.invalid/",
    ),
    ({"queuePrefix": "asya-dev-"}, "aws", "asya:queuePrefix: 'asya-dev-' is not one word and a '-'"),
    *(
        ({"environment": "aws"}, stack, f"asya:environment: cannot be on AWS in a stack named {stack!r}")
        for stack in ("Prod", "dev_1", "a.b", "a--b", "x" * (STACK_MOST + 1))
    ),
    ({**A_GATEWAY, "password": "p@ss-word"}, "aws", "asya:password: is not 8 to 128 characters without"),
    ({**A_GATEWAY, "password": "short"}, "aws", "asya:password: is not 8 to 128 characters without"),
    ({**A_GATEWAY, "clusterName": "theirs"}, "aws", "asya:subnetIds: is not set, and RDS needs subnets in two zones"),
]
KEY = "arn:aws:kms:eu-central-1:123456789012:key/0b1c"
TOGETHER += [
    ({"existingKey": "alias/theirs"}, "aws", "asya:existingKey: 'alias/theirs' is no ARN of a key"),
    (
        {"existingKey": KEY.replace("central", "west")},
        "aws",
        "asya:existingKey: is of eu-west-1, and queues of eu-central-1",
    ),
    ({"databaseSnapshot": "before"}, "aws", "asya:databaseSnapshot: is of RDS, and this stack has no such database"),
    ({**A_GATEWAY, "databaseSnapshot": "be fore"}, "aws", "asya:databaseSnapshot: 'be fore' is neither name nor ARN"),
    (
        {"existingBucket": "x", "store": "none"},
        "aws",
        "asya:existingBucket: is of S3, and this stack's results go elsewhere",
    ),
    ({"existingBucket": "Big"}, "aws", "asya:existingBucket: 'Big' is no name of a bucket"),
    (
        {"existingBucket": "theirs", "bucketVersioning": "true"},
        "aws",
        "asya:bucketVersioning: is for a bucket that the stack makes, and asya:existingBucket names theirs; take it out",
    ),
]
CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0b1c"
A_WAY_IN = {**A_GATEWAY, "gatewayHost": "asya.example.com", "gatewayCertificate": CERTIFICATE}
TOGETHER += [
    (
        {**A_WAY_IN, "gatewayCertificate": ""},
        "aws",
        "asya:gatewayCertificate: is not set, and the gateway is reached by HTTPS alone; pulumi config set "
        "asya:gatewayCertificate $(aws acm request-certificate --domain-name asya.example.com",
    ),
    ({**A_WAY_IN, "gatewayCertificate": "cert"}, "aws", "asya:gatewayCertificate: 'cert' is no ARN of a certificate"),
    (
        {**A_WAY_IN, "gatewayCertificate": CERTIFICATE.replace("eu-central-1", "us-east-1")},
        "aws",
        "asya:gatewayCertificate: is of us-east-1, and a load balancer takes one of its own region, eu-central-1",
    ),
    ({**A_WAY_IN, "gatewayScheme": "internet-facing"}, "aws", "asya:gatewayCidrs: is not set: say who reaches"),
    ({"gatewayScheme": "internet-facing"}, "aws", "asya:gatewayHost: is not set, and asya:gatewayScheme is for"),
    ({"gatewayCertificate": CERTIFICATE}, "aws", "asya:gatewayHost: is not set, and asya:gatewayCertificate is for"),
    ({**A_WAY_IN, "compute": "node-groups"}, "aws", "asya:ingressClass: is not set, and without Auto Mode EKS has no"),
    (
        {**A_WAY_IN, "clusterName": "theirs", "subnetIds": '["a", "b"]'},
        "aws",
        "asya:ingressClass: is not set, and without Auto Mode EKS has no ingress controller",
    ),
    (
        {**A_WAY_IN, "ingressClass": "nginx", "gatewayTlsSecret": "tls"},
        "aws",
        "asya:gatewayCertificate: is for Auto Mode's load balancer, and asya:ingressClass nginx makes another",
    ),
]
FINE: list[tuple[dict[str, str], str]] = [
    ({}, "aws"),
    ({"apiCidrs": "", "vpcId": "vpc-1", "subnetIds": '["a", "b"]', "apiSources": '["10.0.0.0/8", "sg-1"]'}, "aws"),
    ({"apiCidrs": "", "clusterName": "theirs"}, "aws"),
    (A_GATEWAY, "aws"),
    (A_WAY_IN, "aws"),
    ({**A_WAY_IN, "gatewayScheme": "internet-facing", "gatewayCidrs": '["0.0.0.0/0"]'}, "aws"),
    ({**A_GATEWAY, "gatewayHost": "a.example", "ingressClass": "nginx", "gatewayTlsSecret": "tls"}, "aws"),
    ({**A_GATEWAY, "clusterName": "theirs", "subnetIds": '["a", "b"]'}, "aws"),
    ({"environment": "aws", "queuePrefix": "prod-"}, "prod-eu-1"),
    ({"region": "eusc-de-east-1"}, "aws"),
    ({**A_GATEWAY, "existingKey": KEY, "existingBucket": "theirs", "databaseSnapshot": "rds:asya-2026-11-30"}, "aws"),
    ({"region": "us-gov-west-1"}, "aws"),
    ({"region": "cn-north-1"}, "aws"),
]


def refuse(settings: dict[str, str], stack: str) -> None:
    given = Given({key: value for key, value in {**REACHED, **settings}.items() if value})
    check_together(given, read_settings(given, stack), read_aws_settings(given), stack)


@pytest.mark.parametrize(("settings", "said"), ALONE)
def test_a_setting_that_aws_would_refuse(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_aws_settings(Given(settings))
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("settings", "stack", "said"), TOGETHER)
def test_settings_that_aws_would_refuse_together(settings: dict[str, str], stack: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse(settings, stack)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("settings", "stack"), FINE)
def test_settings_that_it_would_take(settings: dict[str, str], stack: str) -> None:
    refuse(settings, stack)


def test_no_two_prefixes_lie_inside_one_another() -> None:
    """One word and a dash: the prefix of one is never the beginning of another's, whose queues a role would then name."""
    fine = ["asya-", "asyadev-", "dev-", "devx-", "dev_x-"]
    for prefix in fine:
        refuse({"queuePrefix": prefix}, "aws")
    assert not any(one != other and one.startswith(other) for one in fine for other in fine)


@pytest.mark.parametrize(
    ("image", "named"),
    [
        ("asya-operator:1", False),
        ("team/asya-operator:1", False),
        ("localhost/asya:1", True),
        ("host:5000/asya:1", True),
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/asya/asya-crew:1", True),
        ("ghcr.io/x@sha256:0", True),
    ],
)
def test_an_image_names_its_registry(image: str, named: bool) -> None:
    assert has_registry(image) is named


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"accountId": "999999999999"},
            "asya:accountId: is 999999999999, but these credentials are arn:aws:sts::123456789",
        ),
        (
            {"admins": ["arn:aws:iam::123456789012:role/ci/Deployer"]},
            "asya:admins: names arn:aws:iam::123456789012:role/ci/",
        ),
    ],
)
def test_the_caller_is_who_was_meant_and_is_let_in_once(changes: dict[str, Any], said: str) -> None:
    """Known in the preview already, so nothing is made."""
    with pytest.raises(ConfigError, match=said):
        run_environment("aws", keda="installed", preview=True, **changes)


def test_a_prefix_is_claimed_before_anything_that_costs() -> None:
    seen = run_environment("aws", keda="installed")
    claim = ("aws:kms/alias:Alias", "asya-aws-prefix")
    assert seen.one(*claim).inputs["name"] == "alias/asya-queues-asya"
    for token in ("aws:ec2/vpc:Vpc", "aws:eks/cluster:Cluster"):
        assert claim in seen.one(token).depends


def test_roles_keep_to_a_company_s_rules() -> None:
    rules: dict[str, Any] = {"rolePath": "/asya/", "permissionsBoundary": "arn:aws:iam::123456789012:policy/boundary"}
    seen = run_environment("aws", keda="installed", compute="node-groups", podLogs="true", **rules)
    made = {(each.inputs["path"], each.inputs["permissionsBoundary"]) for each in seen.of_type("aws:iam/role:Role")}
    assert made == {tuple(rules.values())}


def test_a_role_and_a_profile_reach_the_provider_and_the_kubeconfig() -> None:
    role = "arn:aws:iam::123456789012:role/deployer"
    seen = run_environment("aws", keda="installed", assumeRole=role, profile="work")
    provider = seen.one("pulumi:providers:aws").inputs
    assert provider["profile"] == "work"
    assert json.loads(provider["assumeRoles"]) == [{"roleArn": role}]
    text = json.loads(seen.one("pulumi:providers:kubernetes").inputs["kubeconfig"])
    assert text["users"][0]["user"]["exec"]["args"][-4:] == ["--role-arn", role, "--profile", "work"]


WARNED = [
    ("1.35", "17", datetime.date(2026, 9, 1), []),
    ("1.35", "17", datetime.date(2026, 10, 1), ["EKS 1.35: standard support ends on 2027-03-27; "]),
    ("1.34", None, datetime.date(2027, 1, 1), ["EKS 1.34: standard support ended on 2026-12-02; "]),
    ("1.36", None, datetime.date(2027, 3, 1), ["EKS 1.36: standard support ends on 2027-08-02; "]),
    ("1.99", None, datetime.date(2030, 1, 1), []),
    ("1.99", "17", datetime.date(2029, 12, 1), ["RDS for PostgreSQL 17: standard support ends on 2030-02-28; "]),
]


@pytest.mark.parametrize(("kubernetes", "postgres", "today", "said"), WARNED)
def test_the_end_of_support_is_said_half_a_year_before(
    kubernetes: str, postgres: str | None, today: datetime.date, said: list[str]
) -> None:
    found = list(versions.warnings(kubernetes, postgres, today))
    assert [line[: len(start)] for line, start in zip(found, said, strict=True)] == said


def test_defaults_say_nothing_that_a_stack_must_say_itself() -> None:
    assert AwsSettings().api_cidrs == () and set(ON_AWS) == {"apiCidrs", "registry"}
