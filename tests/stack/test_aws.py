"""ENV=aws on the real engine: LocalStack and moto behind the stand-in for AWS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from pulumi import automation

from lab.pulumi_standins.aws.emulated import recorded as noted
from lab.pulumi_standins.kubernetes.recorder import recorded
from tests.stack.conftest import Clouds, environments
from tests.support.iam_judge import Judge, Trial
from tests.support.pulumi_project import Project
from tests.support.stack_program import Run, count, kinds

pytestmark = pytest.mark.timeout(1500)

REGION = "eu-central-1"
SETTINGS = {
    "asya:keda": "installed",
    "asya:protect": "false",
    "asya:apiCidrs": '["203.0.113.7/32"]',
    "asya:registry": "registry.example/asya",
    "asya:gatewayImage": "registry.example/asya/asya-gateway:0.2.0",
    "asya:manifests": '["examples/hello/actors.yaml"]',
}
SECRETS = {"asya:gatewayTokens": "t0ken-of-the-gateway", "asya:password": "pa55-of-the-database"}
Stack = tuple[Project, automation.Stack]


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory, clouds: Clouds) -> Iterator[Stack]:
    """The stack as its defaults make it, with a gateway and an actor; unprotected only to be taken down."""
    with environments(tmp_path_factory.mktemp("aws")) as run:
        made, stack = run(
            "aws",
            SETTINGS | {"asya:protect": "true", "asya:monitoring": "true"},
            SECRETS,
            aws=clouds.aws,
            moto=clouds.moto,
        )
        stack.up()
        yield made, stack
        stack.set_config("asya:protect", automation.ConfigValue("false"))
        stack.up()


def test_no_secret_is_readable_in_the_state(protected: Stack) -> None:
    """Neither as it is nor inside of what is made from it."""
    state = protected[0].state_file()
    assert "pa55-of-the-database" not in state and "t0ken-of-the-gateway" not in state


TRIALS = {
    "operator": (
        [("get", "asya-hello-actor"), ("set", "asya-hello-actor"), ("delete", "asya-spare")],
        [
            ("receive", "asya-hello-actor"),
            ("send", "asya-hello-actor"),
            ("get", "other-team"),
            ("delete", "other-team"),
        ],
    ),
    "keda": (
        [("get", "asya-hello-actor")],
        [("receive", "asya-hello-actor"), ("send", "asya-hello-actor"), ("get", "other-team"), ("set", "asya-spare")],
    ),
    "gateway": (
        [
            ("send", "asya-hello-actor"),
            ("get", "asya-hello-actor"),
            ("get", "asya-hello-actor-dlq"),
            ("receive", "asya-hello-actor-dlq"),
            ("extend", "asya-hello-actor-dlq"),
            ("settle", "asya-hello-actor-dlq"),
        ],
        [
            ("receive", "asya-hello-actor"),
            ("extend", "asya-hello-actor"),
            ("settle", "asya-hello-actor"),
            ("delete", "asya-hello-actor"),
            ("delete", "asya-hello-actor-dlq"),
            ("send", "other-team"),
            ("get", "other-team"),
            ("receive", "other-team-dlq"),
        ],
    ),
    "actor-hello-actor": (
        [("receive", "asya-hello-actor"), ("send", "asya-happy-end"), ("send", "asya-hello-actor-dlq")],
        [("receive", "asya-happy-end"), ("delete", "asya-hello-actor"), ("send", "other-team")],
    ),
    "actor-happy-end": (
        [("receive", "asya-happy-end"), ("get", "asya-happy-end")],
        [("receive", "asya-hello-actor"), ("send", "asya-hello-actor"), ("delete", "asya-happy-end")],
    ),
}
"""Role, what it must be allowed on which queue, what it must be refused."""


@pytest.mark.parametrize("duty", TRIALS)
def test_a_role_may_do_its_duty_and_no_more(protected: Stack, tmp_path: Path, duty: str) -> None:
    """IAM itself judges, by moto: the policy that the stack made, on real queues."""
    allowed, refused = ([Trial(*trial) for trial in trials] for trials in TRIALS[duty])
    seen = Judge(tmp_path).answers(duty, policy_of(protected[1], f"asya-aws-{duty}"), [*allowed, *refused])
    assert seen == dict.fromkeys(allowed, "allowed") | dict.fromkeys(refused, "refused")


def policy_of(stack: automation.Stack, name: str) -> str:
    """The policy of a role, as the stack made it."""
    resources = (stack.export_stack().deployment or {})["resources"]
    found = [
        r for r in resources if r["type"] == "aws:iam/rolePolicy:RolePolicy" and r["urn"].rsplit("::", 1)[-1] == name
    ]
    return str(found[0]["inputs"]["policy"])


def test_what_holds_data_is_protected(protected: Stack, clouds: Clouds) -> None:
    """A destroy stops before the bucket, the key and the database; unprotecting is a deliberate step.

    Last of those that share the stack: the destroy takes away what is not protected.
    """
    made, stack = protected
    with pytest.raises(automation.CommandError, match="protect"):
        stack.destroy()
    kept = {resource["type"] for resource in made.resources()}
    assert {"aws:s3/bucket:Bucket", "aws:kms/key:Key", "aws:rds/instance:Instance"} <= kept
    assert client("s3", clouds.aws).list_buckets()["Buckets"] != []


def test_aws_lives_and_dies(environment: Run, clouds: Clouds) -> None:
    """VPC, EKS, bucket, key, database and roles: a whole life, twice nothing to do, and nothing left."""
    # Under another name, so that it and the protected one can be in one account at once.
    settings = SETTINGS | {
        "asya:environment": "aws",
        "asya:region": REGION,
        "asya:compute": "node-groups",
        "asya:monitoring": "true",  # whose claims want a class and a driver
        "asya:flowLogDays": "7",
        "asya:queuePrefix": "second-",
    }
    made, stack = environment("second", settings, SECRETS, aws=clouds.aws, moto=clouds.moto)
    planned = count(stack.preview().change_summary)
    up = stack.up()
    assert up.summary.resource_changes == {"create": planned}
    assert stack.up(expect_no_changes=True).summary.resource_changes == {"same": planned}
    assert stack.refresh().summary.resource_changes == {"same": planned}
    ours = {resource["id"] for resource in made.resources() if resource.get("custom")}

    (database,) = client("rds", clouds.moto).describe_db_instances(
        DBInstanceIdentifier=next(r["id"] for r in made.resources() if r["type"] == "aws:rds/instance:Instance")
    )["DBInstances"]
    assert database["StorageEncrypted"] and not database["PubliclyAccessible"]
    pods = {(p["namespace"], p["serviceAccount"]) for p in noted(made.emulated, "pod-identity").values()}
    assert {("asya-system", "asya-operator"), ("keda", "keda-operator"), ("asya", "asya-happy-end")} <= pods
    assert "asyncactors.asya.sh" in kinds(made)["CustomResourceDefinition"]

    # A minimum above what runs is refused by AWS, and so by the stand-in.
    for key, value in {"nodesMin": "3"}.items():
        stack.set_config(f"asya:{key}", automation.ConfigValue(value))
    assert stack.up().summary.resource_changes == {"same": planned - 1, "update": 1}
    # A subnet has one table at a time, and a cluster the zones that it was made with.
    for key, value in {"nat": "per-zone", "zones": "3"}.items():
        stack.set_config(f"asya:{key}", automation.ConfigValue(value))
        stack.up()

    bucket = next(r["id"] for r in made.resources() if r["type"] == "aws:s3/bucket:Bucket")
    client("s3", clouds.aws).put_object(Bucket=bucket, Key="happy-asya/1.json", Body=b"{}")
    stack.destroy()
    assert made.resources() == [] and recorded(made.recorded) == []
    assert left(clouds) & ours == set()
    # What EKS left of a cluster that logged to its end is said before anything is made of the next.
    logs, group = client("logs", clouds.aws), "/aws/eks/asya-second/cluster"
    logs.create_log_group(logGroupName=group)
    with pytest.raises(automation.CommandError, match=f"aws logs delete-log-group --log-group-name {group}"):
        stack.preview()
    logs.delete_log_group(logGroupName=group)


def test_a_second_mesh_with_the_same_prefix_is_refused_before_it_costs(environment: Run, clouds: Clouds) -> None:
    """An alias in KMS is there once, and the network and the cluster wait for it."""
    kms = client("kms", clouds.aws)
    kms.create_alias(AliasName="alias/asya-queues-taken", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    settings = SETTINGS | {"asya:environment": "aws", "asya:region": REGION, "asya:queuePrefix": "taken-"}
    made, stack = environment("twin", settings, SECRETS, aws=clouds.aws, moto=clouds.moto)
    with pytest.raises(automation.CommandError, match=r"AlreadyExistsException.*alias/asya-queues-taken"):
        stack.up()
    costly = {"aws:ec2/vpc:Vpc", "aws:eks/cluster:Cluster", "aws:rds/instance:Instance"}
    assert costly.isdisjoint(each["type"] for each in made.resources())


def left(clouds: Clouds) -> set[str]:
    """Ids of what AWS holds."""
    return {
        *client("eks", clouds.moto).list_clusters()["clusters"],
        *(bucket["Name"] for bucket in client("s3", clouds.aws).list_buckets()["Buckets"]),
        *(vpc["VpcId"] for vpc in client("ec2", clouds.moto).describe_vpcs()["Vpcs"]),
        *(role["RoleName"] for role in client("iam", clouds.aws).list_roles()["Roles"]),
        *(group["logGroupName"] for group in client("logs", clouds.aws).describe_log_groups()["logGroups"]),
        *(i["DBInstanceIdentifier"] for i in client("rds", clouds.moto).describe_db_instances()["DBInstances"]),
    }
