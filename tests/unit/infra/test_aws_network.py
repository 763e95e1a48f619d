"""Ways out of the VPC under mocks: none, one, one per zone; what a living stack may change; what a company asks besides."""

import json

import pytest

from asya_aws.network import SERVICES, UNFIT_ZONES
from asya_aws.policies import endpoint_policy
from asya_aws.scope import Scope
from asya_operator.transport_config import SqsConfig, parse_transports
from tests.support.pulumi_program import ZONES, run_environment

pytestmark = pytest.mark.unit

ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"


def test_another_way_out_changes_associations_in_place() -> None:
    """One per subnet and named after it: AWS refuses a second one, and Pulumi would make that before it ends the first."""
    of_nat = {nat: run_environment("aws", keda="installed", nat=nat) for nat in ("none", "single", "per-zone")}
    names = {nat: {each.name for each in seen.of_type(ASSOCIATION)} for nat, seen in of_nat.items()}
    assert names["single"] == names["per-zone"] == names["none"]
    assert {name for name in names["single"] if "private" in name} == {"asya-aws-private-0-0", "asya-aws-private-0-1"}
    # Stacks that were made per zone had another name for the second.
    assert of_nat["per-zone"].one(ASSOCIATION, "asya-aws-private-0-1").aliases == ("asya-aws-private-1-0",)


def test_without_a_way_out_there_is_one_to_each_service() -> None:
    seen = run_environment("aws", keda="installed", nat="none")
    made = seen.of_type("aws:ec2/vpcEndpoint:VpcEndpoint")
    interfaces = {
        each.inputs["serviceName"].rpartition("eu-central-1.")[2] for each in made if "subnetIds" in each.inputs
    }
    assert interfaces == set(SERVICES)
    assert all(each.inputs["privateDnsEnabled"] for each in made if "subnetIds" in each.inputs)
    assert len(run_environment("aws", keda="installed").of_type("aws:ec2/vpcEndpoint:VpcEndpoint")) == 1
    both = run_environment("aws", keda="installed", endpoints="true")
    assert len(both.of_type("aws:ec2/vpcEndpoint:VpcEndpoint")) == 1 + len(SERVICES)


def test_zones_without_a_control_plane_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ZONES, UNFIT_ZONES[0], "opt-in-not-required")
    seen = run_environment("aws", keda="installed", zones="3")
    assert UNFIT_ZONES[0] not in {each.inputs["availabilityZone"] for each in seen.of_type("aws:ec2/subnet:Subnet")}


def test_other_buckets_are_reached_where_named() -> None:
    scope = Scope(region="us-east-1", account="123456789012", bucket="results")
    by_name = {each["Sid"]: each for each in endpoint_policy(scope, ["models-*"])["Statement"]}
    assert by_name["Others"]["Resource"] == ["arn:aws:s3:::models-*", "arn:aws:s3:::models-*/*"]
    assert "Others" not in {each["Sid"] for each in endpoint_policy(scope)["Statement"]}


@pytest.mark.parametrize(
    ("partition", "suffix", "region"),
    [
        ("aws", "amazonaws.com", "eu-central-1"),
        ("aws-cn", "amazonaws.com.cn", "cn-north-1"),
        ("aws-us-gov", "amazonaws.com", "us-gov-west-1"),
        ("aws-eusc", "amazonaws.eu", "eusc-de-east-1"),
    ],
)
def test_every_partition_has_names_of_its_own(
    monkeypatch: pytest.MonkeyPatch, partition: str, suffix: str, region: str
) -> None:
    """By what AWS's provider says of it, not by a text of ours."""
    from tests.support.pulumi_program import FUNCTIONS

    token = "aws:index/getPartition:getPartition"
    monkeypatch.setitem(FUNCTIONS, token, {"partition": partition, "dnsSuffix": suffix})
    seen = run_environment("aws", keda="installed", region=region)
    assert seen.exports["queueUrl"] == f"https://sqs.{region}.{suffix}/123456789012"
    config = seen.one("kubernetes:core/v1:ConfigMap", "mesh-configmap-asya-system-asya-operator-config").inputs
    sqs = parse_transports(config["data"]["transports.json"]).get("sqs").config
    assert isinstance(sqs, SqsConfig)
    assert sqs.queue_url("asya-ocr") == f"https://sqs.{region}.{suffix}/123456789012/asya-ocr"
    operator = next(each for each in seen.of_type("aws:iam/rolePolicy:RolePolicy") if each.name == "asya-aws-operator")
    assert f"arn:{partition}:sqs:{region}:123456789012:asya-*" in operator.inputs["policy"]
    crew = next(each for each in seen.of_type("aws:iam/rolePolicy:RolePolicy") if "happy" in each.name)
    (key,) = [each for each in json.loads(crew.inputs["policy"])["Statement"] if each["Sid"] == "Key"]
    assert f"sqs.{region}.{suffix}" in key["Condition"]["StringEquals"]["kms:ViaService"]


def test_a_bucket_goes_with_what_it_holds_once_it_is_unprotected() -> None:
    bucket = "aws:s3/bucket:Bucket"
    kept = run_environment("aws", keda="installed").one(bucket)
    assert (kept.protect, kept.inputs["forceDestroy"]) == (True, False)
    gone = run_environment("aws", keda="installed", protect="false")
    assert (gone.one(bucket).protect, gone.one(bucket).inputs["forceDestroy"]) == (False, True)
    assert gone.one("aws:eks/cluster:Cluster").inputs["deletionProtection"] is False


def test_what_production_asks_for_is_there_when_asked() -> None:
    seen = run_environment(
        "aws",
        keda="installed",
        podLogs="true",
        monthlyBudget="500",
        alarmEmail="team@example.com",
        bucketVersioning="true",
        databaseMaxGib="100",
        gatewayImage="registry.example/g:1",
        gatewayTokens="t",
        password="good-enough",
    )
    kept = [
        each for each in seen.of_type("aws:cloudwatch/logGroup:LogGroup") if "containerinsights" in each.inputs["name"]
    ]
    assert len(kept) == 4 and {each.inputs["retentionInDays"] for each in kept} == {14}
    assert seen.one("aws:eks/addon:Addon", "asya-aws-amazon-cloudwatch-observability")
    budget = seen.one("aws:budgets/budget:Budget").inputs
    assert (budget["limitAmount"], len(budget["notifications"])) == ("500", 2)
    assert seen.one("aws:cloudwatch/metricAlarm:MetricAlarm").inputs["metricName"] == "FreeStorageSpace"
    assert seen.one("aws:s3/bucketVersioning:BucketVersioning")
    rules = seen.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs["rules"]
    assert "old-versions" in {rule["id"] for rule in rules}
    assert seen.one("aws:rds/instance:Instance").inputs["maxAllocatedStorage"] == 100


def test_a_database_lets_in_the_groups_that_are_named() -> None:
    seen = run_environment(
        "aws",
        keda="installed",
        clusterName="theirs",
        subnetIds=["a", "b"],
        databaseClients=["sg-nodes"],
        gatewayImage="registry.example/g:1",
        gatewayTokens="t",
        password="good-enough",
    )
    rules = seen.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert {rule.inputs["referencedSecurityGroupId"] for rule in rules} == {"sg-theirs", "sg-nodes"}
    assert seen.one("aws:rds/subnetGroup:SubnetGroup").inputs["subnetIds"] == ["a", "b"]


def test_the_way_to_a_private_api_is_there_as_long_as_anything_in_the_cluster() -> None:
    """Made beside the cluster's objects it would come too late for some, and at the end go before them."""
    seen = run_environment(
        "aws",
        keda="installed",
        apiCidrs=None,
        vpcId="vpc-1",
        subnetIds=["a", "b"],
        apiSources=["10.0.0.0/8", "sg-vpn"],
    )
    rules = {
        (each.type, each.name) for each in seen.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    }
    assert len(rules) == 2
    assert rules <= seen.one("pulumi:providers:kubernetes").depends
