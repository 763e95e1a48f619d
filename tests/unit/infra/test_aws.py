"""The components of AWS under mocks: addresses, order, protection, encryption, and the roles of pods."""

import ipaddress
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from asya_aws import naming
from asya_aws.eks import kubeconfig
from asya_aws.instances import image_type
from asya_aws.network import plan
from asya_aws.storage import database_url
from asya_infra.errors import ConfigError
from tests.support.pulumi_program import run_environment, whole_environment

pytestmark = pytest.mark.unit

AWS = whole_environment


def test_subnets_never_move() -> None:
    # A snapshot: another answer here would replace the subnets of every stack there is.
    assert [(zone.public, zone.private, zone.database) for zone in plan("10.60.0.0/16", 3)] == [
        ("10.60.0.0/24", "10.60.16.0/20", "10.60.8.0/24"),
        ("10.60.1.0/24", "10.60.32.0/20", "10.60.9.0/24"),
        ("10.60.2.0/24", "10.60.48.0/20", "10.60.10.0/24"),
    ]
    assert plan("10.60.0.0/16", 3)[:2] == plan("10.60.0.0/16", 2)


def test_subnets_do_not_overlap() -> None:
    cidrs = [ipaddress.IPv4Network(c) for z in plan("10.60.0.0/16", 3) for c in (z.public, z.private, z.database)]
    ordered = sorted(cidrs)
    assert not any(before.overlaps(after) for before, after in pairwise(ordered))


@pytest.mark.parametrize(
    ("types", "image"),
    [
        (["t4g.large"], "AL2023_ARM_64_STANDARD"),
        (["m7g.large", "c7gn.xlarge", "r6gd.large"], "AL2023_ARM_64_STANDARD"),
        (["m7i.large", "t3.medium"], "AL2023_x86_64_STANDARD"),
        (["g5.xlarge", "p4d.24xlarge", "g6e.xlarge"], "AL2023_x86_64_NVIDIA"),
        (["g5g.xlarge", "p6e-gb200.36xlarge"], "AL2023_ARM_64_NVIDIA"),
        (["inf2.xlarge", "trn1.2xlarge"], "AL2023_x86_64_NEURON"),
    ],
)
def test_nodes_get_the_image_of_their_architecture(types: list[str], image: str) -> None:
    assert image_type(types) == image


@pytest.mark.parametrize(
    ("types", "said"),
    [(["t4g.large", "t3.large"], "two architectures"), (["g5.xlarge", "t3.large"], "with and without an accelerator")],
)
def test_a_node_group_has_one_architecture_and_one_kind(types: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        image_type(types)


def test_names_keep_to_limits_and_stay_distinct() -> None:
    long = [f"asya-production-actor-{'x' * 80}-{number}" for number in range(50)]
    short = [naming.shortened(name, naming.ROLE) for name in long]
    assert len(set(short)) == 50
    assert max(map(len, short)) + naming.SUFFIX <= naming.ROLE
    assert naming.shortened("asya-aws-operator", naming.ROLE) == "asya-aws-operator"


def test_a_kubeconfig_holds_no_token() -> None:
    document = json.loads(kubeconfig("c", "https://e", "Q0E=", "eu-central-1"))
    assert set(document["users"][0]["user"]) == {"exec"}


def test_the_database_is_reached_by_tls_and_any_password() -> None:
    assert database_url("db", "a/b@c", verified=False) == "postgresql://asya:a%2Fb%40c@db:5432/asya?sslmode=require"


def test_what_holds_data_cannot_be_deleted_by_accident() -> None:
    protected = {each.type for each in AWS("aws").resources if each.protect}
    data = {"aws:kms/key:Key", "aws:s3/bucket:Bucket", "aws:rds/instance:Instance"}
    # Subnets hold nodes: fewer zones would take them away.
    assert protected == data | {"aws:ec2/subnet:Subnet"}
    open_stack = run_environment("aws", keda="installed", protect="false")
    assert not any(each.protect for each in open_stack.resources)


def test_the_gateway_checks_the_database_s_certificate_where_it_is_told_whose(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n", encoding="ascii")
    seen = run_environment(
        "aws",
        gatewayImage="registry.example/g:1",
        gatewayTokens="caller",
        password="p" * 48,
        keda="installed",
        databaseCa=str(tmp_path / "ca.pem"),
    )
    connections, authority = (
        seen.one(f"kubernetes:core/v1:{kind}", f"mesh-gateway-{kind.lower()}-asya-system-asya-gateway-{name}").inputs
        for kind, name in (("Secret", "connections"), ("ConfigMap", "database-ca"))
    )
    assert connections["stringData"]["ASYA_DATABASE_URL"].endswith("?sslmode=verify-full")
    assert authority["data"] == {"ca.crt": "-----BEGIN CERTIFICATE-----\n"}


def test_everything_is_encrypted_and_nothing_public() -> None:
    seen = AWS("aws")
    (rule,) = seen.one("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration").inputs[
        "rules"
    ]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
    block = seen.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    assert [
        block[key] for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    ] == [True] * 4
    database = seen.one("aws:rds/instance:Instance").inputs
    assert (database["storageEncrypted"], database["publiclyAccessible"]) == (True, False)
    assert seen.one("kubernetes:storage.k8s.io/v1:StorageClass").inputs["parameters"]["encrypted"] == "true"
    private: dict[str, Any] = {
        "apiCidrs": None,
        "vpcId": "vpc-1",
        "subnetIds": ["a", "b"],
        "apiSources": ["10.0.0.0/8", "sg-vpn"],
    }
    groups = run_environment("aws", keda="installed", compute="node-groups", **private)
    template = groups.one("aws:ec2/launchTemplate:LaunchTemplate").inputs
    assert template["blockDeviceMappings"][0]["ebs"]["encrypted"] == "true"
    assert template["metadataOptions"] == {"httpTokens": "required", "httpPutResponseHopLimit": 1}
    cluster = groups.one("aws:eks/cluster:Cluster").inputs
    assert (cluster["vpcConfig"]["endpointPublicAccess"], cluster["accessConfig"]["authenticationMode"]) == (
        False,
        "API",
    )


def test_the_operator_encrypts_queues_with_the_key_and_by_tls_only() -> None:
    config = AWS("aws").one("kubernetes:core/v1:ConfigMap", "mesh-configmap-asya-system-asya-operator-config").inputs
    sqs = json.loads(config["data"]["transports.json"])["transports"]["sqs"]["config"]
    assert (sqs["kmsKeyId"], sqs["tlsOnly"], sqs["accountId"]) == (
        "arn:aws:kms:eu-central-1:123456789012:key/asya-aws",
        True,
        "123456789012",
    )


def test_pods_find_their_roles_when_they_start() -> None:
    seen = AWS("aws")
    bound = {
        (each.inputs["namespace"], each.inputs["serviceAccount"])
        for each in seen.of_type("aws:eks/podIdentityAssociation:PodIdentityAssociation")
    }
    actors = ("hello-actor", "happy-end", "error-end", "fan-in")
    assert bound == {
        ("asya-system", "asya-operator"),
        ("asya-system", "asya-gateway"),
        ("keda", "keda-operator"),
        *(("asya", f"asya-{actor}") for actor in actors),
    }
    association = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
    operator = seen.one("kubernetes:apps/v1:Deployment", "mesh-operator-deployment-asya-system-asya-operator")
    assert (association, "asya-aws-operator") in operator.depends
    for actor in actors:
        made = seen.one("kubernetes:asya.sh/v1alpha1:AsyncActor", actor)
        assert (association, f"asya-aws-actor-{actor}") in made.depends
        assert made.inputs["spec"]["workload"]["template"]["spec"]["serviceAccountName"] == f"asya-{actor}"
        assert seen.one("kubernetes:core/v1:ServiceAccount", f"{actor}-account")


def test_a_gateway_that_comes_later_finds_its_role() -> None:
    """Its role is the mesh's: minutes old when a gateway is added to a living stack, or put there by another program."""
    kinds = ("iam/role:Role", "iam/rolePolicy:RolePolicy", "eks/podIdentityAssociation:PodIdentityAssociation")
    bare = run_environment("aws", keda="installed")
    later = run_environment(
        "aws",
        keda="installed",
        gatewayImage="registry.example/g:1",
        gatewayTokens="caller",
        password="good-enough",
    )
    assert not [each for each in bare.resources if each.type.startswith("kubernetes:apps") and "gateway" in each.name]
    for kind in kinds:
        before, after = bare.one(f"aws:{kind}", "asya-aws-gateway"), later.one(f"aws:{kind}", "asya-aws-gateway")
        assert before.inputs == after.inputs
    bound = bare.one(f"aws:{kinds[-1]}", "asya-aws-gateway").inputs
    pod = later.one("kubernetes:apps/v1:Deployment", "mesh-gateway-deployment-asya-system-asya-gateway").inputs
    account = pod["spec"]["template"]["spec"]["serviceAccountName"]
    assert (bound["namespace"], bound["serviceAccount"]) == (pod["metadata"]["namespace"], account)


def test_nodes_start_after_the_network_and_the_identity_agent() -> None:
    nodes = run_environment("aws", keda="installed", compute="node-groups").one("aws:eks/nodeGroup:NodeGroup")
    before = {name for _, name in nodes.depends}
    assert before >= {"asya-aws-vpc-cni", "asya-aws-eks-pod-identity-agent", "asya-aws-private-0"}
    # AWS refuses a minimum above the desired size: it moves along, so nothing of it is somebody else's.
    assert nodes.ignore == ()


def test_subnets_are_in_ordinary_zones_and_stay_there() -> None:
    seen = run_environment("aws", keda="installed", zones="3")
    subnets = seen.of_type("aws:ec2/subnet:Subnet")
    assert len(subnets) == 9
    assert {(each.name[-1], each.inputs["availabilityZone"]) for each in subnets} == {
        ("0", "eu-central-1a"),
        ("1", "eu-central-1b"),
        ("2", "eu-central-1c"),
    }
    # A zone that appears moves the others' places; to follow them would replace the subnets and all that is in them.
    assert {each.ignore for each in subnets} == {("availabilityZone",)}


def test_admins_of_one_name_are_told_apart() -> None:
    of_account = "arn:aws:iam::123456789012"
    arns = [f"{of_account}:{each}" for each in ("role/ops", "user/ops", "role/team/ops", "user/ann", "role/ops")]
    seen = run_environment("aws", keda="installed", admins=arns)
    entries = [each for each in seen.of_type("aws:eks/accessEntry:AccessEntry") if "type" not in each.inputs]
    assert sorted(each.inputs["principalArn"] for each in entries) == sorted(set(arns))
    associations = seen.of_type("aws:eks/accessPolicyAssociation:AccessPolicyAssociation")
    associations = [each for each in associations if each.name != "asya-aws-node"]
    assert [each.name for each in associations] == [each.name for each in entries]
    assert len({each.name for each in entries}) == len(entries)
    turned = run_environment("aws", keda="installed", admins=arns[::-1])
    again = turned.of_type("aws:eks/accessEntry:AccessEntry")
    assert {each.name for each in again if "type" not in each.inputs} == {each.name for each in entries}
    # Entries that were made as asya-aws-NAME are taken over, each by one.
    former = {each.inputs["principalArn"].partition(":role/")[2]: each.aliases for each in entries if each.aliases}
    assert former == {"ops": ("asya-aws-ops",), "": ("asya-aws-ann",)}


def statements(text: str) -> dict[str, dict[str, Any]]:
    return {each["Sid"]: each for each in json.loads(text)["Statement"]}


def test_the_way_to_s3_leads_to_the_bucket_that_the_roles_name() -> None:
    seen = AWS("aws")
    way = statements(seen.one("aws:ec2/vpcEndpoint:VpcEndpoint").inputs["policy"])
    (listed,) = way["List"]["Resource"]
    roles = [statements(each.inputs["policy"]) for each in seen.of_type("aws:iam/rolePolicy:RolePolicy")]
    assert {tuple(role["ListOwnPrefixes"]["Resource"]) for role in roles if "ListOwnPrefixes" in role} == {(listed,)}
    assert way["Bucket"]["Resource"] == [f"{listed}/*"]
    # Without it no node starts a pod: ECR keeps layers there.
    layers = way["ImageLayers"]["Resource"]
    assert layers[0] == "arn:aws:s3:::prod-eu-central-1-starport-layer-bucket/*"
    # registry.k8s.io and quay.io lead callers from AWS to buckets of the region, which this way catches.
    assert layers[1:3] == ["arn:aws:s3:::prod-registry-k8s-io-eu-central-1/*", "arn:aws:s3:::quayio-production-s3/*"]


@pytest.mark.parametrize("store", ["s3", "none"])
def test_the_way_to_s3_names_no_bucket_without_a_name(store: str) -> None:
    seen = run_environment("aws", keda="installed", store=store)
    way = statements(seen.one("aws:ec2/vpcEndpoint:VpcEndpoint").inputs["policy"])
    named = [resource.partition(":::")[2].partition("/")[0] for each in way.values() for resource in each["Resource"]]
    assert all(named)
    assert ("asya-results-1234567" in named) is (store == "s3")


def test_a_cluster_alone_has_no_key_and_no_bucket() -> None:
    changes: dict[str, Any] = {"queue": "rabbitmq", "store": "none", "password": "hidden"}
    seen = run_environment("aws", keda="installed", **changes)
    assert seen.one("aws:ec2/vpcEndpoint:VpcEndpoint")
    assert seen.of_type("aws:kms/key:Key") == seen.of_type("aws:s3/bucket:Bucket") == []


def test_each_part_of_it_may_exist_already() -> None:
    given = run_environment("aws", keda="installed", vpcId="vpc-1", subnetIds=["subnet-a", "subnet-b"])
    assert given.of_type("aws:ec2/vpc:Vpc") == []
    assert given.one("aws:eks/cluster:Cluster").inputs["vpcConfig"]["subnetIds"] == ["subnet-a", "subnet-b"]
    theirs = run_environment("aws", keda="installed", clusterName="theirs")
    assert theirs.of_type("aws:eks/cluster:Cluster") == []
    assert theirs.of_type("aws:ec2/vpc:Vpc") == []
    assert len(theirs.of_type("aws:eks/podIdentityAssociation:PodIdentityAssociation")) == 6


@pytest.mark.parametrize(("nat", "count"), [("none", 0), ("single", 1), ("per-zone", 3)])
def test_ways_out_are_counted(nat: str, count: int) -> None:
    seen = run_environment("aws", keda="installed", nat=nat, zones="3")
    assert len(seen.of_type("aws:ec2/natGateway:NatGateway")) == count
    assert len(seen.of_type("aws:ec2/subnet:Subnet")) == 9


def test_sqs_serves_a_cluster_elsewhere_by_a_key_pair() -> None:
    changes: dict[str, Any] = {"cluster": "kubeconfig", "keda": "installed", "store": "none"}
    with pytest.raises(ConfigError, match="asya:accessKey: is not set; outside of EKS pods need a key pair"):
        run_environment("aws", **changes)
    seen = run_environment("aws", **changes, accessKey="AKIA", secretKey="hidden")
    secret = seen.one("kubernetes:core/v1:Secret", "mesh-secret-asya-sqs-secret")
    assert "stringData" in secret.secrets
    assert seen.of_type("aws:iam/role:Role") == []
