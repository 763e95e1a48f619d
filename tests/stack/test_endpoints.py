"""The API of a cluster on AWS, reached or not: what the stand-in refuses as AWS would, and what is asked for before."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from pulumi import automation

from lab.pulumi_standins.kubernetes.eks_cluster import CALLER_VARIABLE
from tests.stack.conftest import Clouds
from tests.support.pulumi_project import Project
from tests.support.stack_program import Run, kinds
from tools.stack.explain import causes

pytestmark = pytest.mark.timeout(1500)

REGION = "eu-central-1"
SETTINGS = {
    "asya:environment": "aws",
    "asya:region": REGION,
    "asya:keda": "none",
    "asya:protect": "false",
    "asya:registry": "registry.example/asya",
}
CHECK = "    check_together(config, settings, own, pulumi.get_stack())\n"


def unchecked(made: Project) -> Callable[[], None]:
    """Let the program ask nothing before it makes something; gives back how to let it ask again."""
    program = made.folder / "infra/__main__.py"
    text = program.read_text(encoding="utf-8")
    assert CHECK in text
    program.write_text(text.replace(CHECK, ""), encoding="utf-8")

    def check_again() -> None:
        program.write_text(text, encoding="utf-8")

    return check_again


def test_a_private_endpoint_that_nobody_reaches(environment: Run, clouds: Clouds) -> None:
    """Without the check a cluster is there, and paid for, before anybody knows; what mends it then needs nothing removed."""
    made, stack = environment("third", SETTINGS | {"asya:queuePrefix": "third-"}, aws=clouds.aws, moto=clouds.moto)
    with pytest.raises(automation.CommandError, match="asya:apiCidrs: is not set, so that nobody could reach"):
        stack.preview()
    check_again = unchecked(made)
    with pytest.raises(automation.CommandError, match=r"unreachable.*dial tcp 10\.[\d.]+:443: i/o timeout") as failed:
        stack.up()
    assert any("asya:apiCidrs in Pulumi.third.yaml" in line for line in causes(str(failed.value), "third"))
    assert "aws:eks/cluster:Cluster" in {each["type"] for each in made.resources()} and kinds(made) == {}
    check_again()
    stack.set_config("asya:apiCidrs", automation.ConfigValue('["203.0.113.0/24"]'))
    stack.up()
    assert "asyncactors.asya.sh" in kinds(made)["CustomResourceDefinition"]


def test_a_private_endpoint_is_reached_from_networks_that_it_lets_in(
    environment: Run, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way in is there before what is in the cluster, and until all of that is gone."""
    monkeypatch.setenv(CALLER_VARIABLE, "10.9.8.7")
    vpc, subnets = a_vpc(clouds)
    theirs = {"asya:vpcId": vpc, "asya:subnetIds": subnets, "asya:apiSources": '["10.9.0.0/16"]'}
    made, stack = environment(
        "fourth", SETTINGS | theirs | {"asya:queuePrefix": "fourth-"}, aws=clouds.aws, moto=clouds.moto
    )
    stack.up()
    assert "asyncactors.asya.sh" in kinds(made)["CustomResourceDefinition"]
    stack.destroy()
    assert made.resources() == [] and kinds(made) == {}


def a_vpc(clouds: Clouds) -> tuple[str, str]:
    """A VPC that exists, and its two subnets as a setting."""
    ec2: Any = boto3.client(
        "ec2", endpoint_url=clouds.moto, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )
    vpc = ec2.create_vpc(CidrBlock="10.70.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.70.{place}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]
        for place, zone in enumerate("ab")
    ]
    return vpc, "[" + ", ".join(f'"{each["SubnetId"]}"' for each in made) + "]"
