"""What may be on AWS already, under mocks: a key, a bucket, a snapshot of the database; and flow logs of a VPC that is made."""

import json
from typing import Any

import pytest

from asya_infra.errors import ConfigError
from tests.support.pulumi_program import ACCOUNT, run_environment

pytestmark = pytest.mark.unit

KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0b1c"
A_GATEWAY: dict[str, Any] = {"gatewayImage": "registry.example/g:1", "gatewayTokens": "t", "password": "good-enough"}


def test_a_key_that_exists_is_used_and_claimed_but_not_changed() -> None:
    seen = run_environment("aws", keda="installed", existingKey=KEY)
    assert seen.of_type("aws:kms/key:Key") == []
    (alias,) = seen.of_type("aws:kms/alias:Alias")
    assert (alias.inputs["name"], alias.inputs["targetKeyId"]) == ("alias/asya-queues-asya", KEY)
    config = seen.one("kubernetes:core/v1:ConfigMap", "mesh-configmap-asya-system-asya-operator-config").inputs
    assert json.loads(config["data"]["transports.json"])["transports"]["sqs"]["config"]["kmsKeyId"] == KEY
    crew = next(each for each in seen.of_type("aws:iam/rolePolicy:RolePolicy") if "happy" in each.name)
    (statement,) = [each for each in json.loads(crew.inputs["policy"])["Statement"] if each["Sid"] == "Key"]
    assert statement["Resource"] == [KEY]


def test_a_key_of_another_account_is_refused_in_the_preview() -> None:
    with pytest.raises(ConfigError, match="asya:existingKey: is of account 999999999999, and this stack of"):
        run_environment("aws", keda="installed", preview=True, existingKey=KEY.replace(ACCOUNT, "999999999999"))


def test_a_bucket_that_exists_is_used_and_left_as_it_is() -> None:
    seen = run_environment("aws", keda="installed", existingBucket="theirs")
    assert [each.type for each in seen.resources if each.type.startswith("aws:s3/")] == []
    (way,) = seen.of_type("aws:ec2/vpcEndpoint:VpcEndpoint")
    assert "arn:aws:s3:::theirs/*" in way.inputs["policy"]
    crew = next(each for each in seen.of_type("aws:iam/rolePolicy:RolePolicy") if "happy" in each.name)
    assert "arn:aws:s3:::theirs/happy-asya/*" in crew.inputs["policy"]


def test_a_database_is_restored_from_a_snapshot() -> None:
    seen = run_environment("aws", keda="installed", databaseSnapshot="rds:asya-2026-11-30", **A_GATEWAY)
    restored = seen.one("aws:rds/instance:Instance")
    assert restored.inputs["snapshotIdentifier"] == "rds:asya-2026-11-30"
    # It keeps the snapshot's key, and another one would replace it.
    assert restored.ignore == ("kmsKeyId",)
    fresh = run_environment("aws", keda="installed", **A_GATEWAY).one("aws:rds/instance:Instance")
    assert "snapshotIdentifier" not in fresh.inputs and fresh.ignore == ()


def test_flow_logs_are_kept_where_asked() -> None:
    seen = run_environment("aws", keda="installed", flowLogDays="30", rolePath="/asya/")
    flow = seen.one("aws:ec2/flowLog:FlowLog").inputs
    assert (flow["trafficType"], flow["vpcId"]) == ("ALL", "asya-aws-id")
    group = seen.one("aws:cloudwatch/logGroup:LogGroup", "asya-aws-flow")
    assert group.inputs == {"retentionInDays": 30}
    role = seen.one("aws:iam/role:Role", "asya-aws-flow").inputs
    assert (role["path"], "vpc-flow-logs.amazonaws.com" in role["assumeRolePolicy"]) == ("/asya/", True)
    assert run_environment("aws", keda="installed").of_type("aws:ec2/flowLog:FlowLog") == []
