"""ENV=aws on the real engine: LocalStack and moto behind the stand-in for AWS, and IAM's answer to each role."""

import json
from typing import Any

import boto3
import pytest
from pulumi import automation

from tests.stack.conftest import Clouds
from tests.support.pulumi_standins.aws.emulated import recorded as noted
from tests.support.pulumi_standins.kubernetes.recorder import recorded
from tests.support.stack_program import Run, count, kinds

REGION = "eu-central-1"
SETTINGS = {"asya:keda": "installed", "asya:protect": "false", "asya:gatewayImage": "asya-gateway:0.2.0"}
SECRETS = {"asya:gatewayTokens": "t0ken-of-the-gateway", "asya:password": "pa55-of-the-database"}


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def test_aws_lives_and_dies(environment: Run, clouds: Clouds) -> None:
    """VPC, EKS, bucket, key, database and roles: a whole life, twice nothing to do, and nothing left."""
    made, stack = environment("aws", SETTINGS, SECRETS, aws=clouds.aws, moto=clouds.moto)
    planned = count(stack.preview().change_summary)
    up = stack.up()
    assert up.summary.resource_changes == {"create": planned}
    assert stack.up(expect_no_changes=True).summary.resource_changes == {"same": planned}
    assert stack.refresh().summary.resource_changes == {"same": planned}

    (cluster,) = client("eks", clouds.moto).list_clusters()["clusters"]
    (database,) = client("rds", clouds.moto).describe_db_instances()["DBInstances"]
    assert database["StorageEncrypted"] and not database["PubliclyAccessible"]
    pods = {(p["namespace"], p["serviceAccount"]) for p in noted(made.emulated, "pod-identity").values()}
    assert {("asya-system", "asya-operator"), ("keda", "keda-operator"), ("asya", "asya-happy-end")} <= pods
    assert {p["clusterName"] for p in noted(made.emulated, "pod-identity").values()} == {cluster}
    assert "asyncactors.asya.sh" in kinds(made)["CustomResourceDefinition"]
    assert "pa55-of-the-database" not in made.state_file() and "t0ken-of-the-gateway" not in made.state_file()

    stack.set_config("asya:nodesMax", automation.ConfigValue("6"))
    assert stack.up().summary.resource_changes == {"same": planned - 1, "update": 1}

    stack.destroy()
    assert made.resources() == [] and recorded(made.recorded) == []
    assert client("eks", clouds.moto).list_clusters()["clusters"] == []
    assert client("s3", clouds.aws).list_buckets()["Buckets"] == []
    assert [v for v in client("ec2", clouds.moto).describe_vpcs()["Vpcs"] if not v["IsDefault"]] == []
    assert [r for r in client("iam", clouds.aws).list_roles()["Roles"] if r["RoleName"].startswith("asya")] == []


def test_what_holds_data_is_protected(environment: Run, clouds: Clouds) -> None:
    """By default a destroy stops before the bucket and the key; unprotecting is a deliberate step."""
    _, stack = environment("aws", SETTINGS | {"asya:protect": "true"}, SECRETS, aws=clouds.aws, moto=clouds.moto)
    stack.up()
    with pytest.raises(automation.CommandError, match="protect"):
        stack.destroy()
    assert client("s3", clouds.aws).list_buckets()["Buckets"] != []
    stack.set_config("asya:protect", automation.ConfigValue("false"))
    stack.up()


def documents(stack: automation.Stack) -> dict[str, dict[str, Any]]:
    """Every policy of the stack's roles, by the logical name of the role."""
    resources = (stack.export_stack().deployment or {})["resources"]
    found = [r for r in resources if r["type"] == "aws:iam/rolePolicy:RolePolicy"]
    return {r["urn"].rsplit("::", 1)[-1]: json.loads(r["inputs"]["policy"]) for r in found}
