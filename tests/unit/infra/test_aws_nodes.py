"""Nodes of EKS under mocks: Auto Mode's pools and managed groups, what schedules on them, and volumes that find a class."""

import json
from typing import Any

import pytest
import yaml

from asya_aws.node_groups import labels_and_taints
from asya_aws.node_objects import ARM_TAINT, node_pools
from asya_aws.settings import NodeGroup
from lab.checkout import ROOT
from tests.support.pulumi_program import Run, run_environment

pytestmark = pytest.mark.unit

GROUPS = [
    {"name": "cpu", "types": ["m7i.large"], "min": 2, "max": 6},
    {"name": "arm", "types": ["m7g.large"], "labels": {"team": "ocr"}},
    {
        "name": "gpu",
        "types": ["g6.xlarge"],
        "max": 2,
        "spot": True,
        "taints": [{"key": "team", "value": "ml", "effect": "NoExecute"}],
    },
]


def groups(**changes: Any) -> Run:
    given = {"compute": "node-groups", "nodeGroups": GROUPS, "autoscaler": "installed", **changes}
    return run_environment("aws", keda="installed", **given)


def test_auto_mode_is_the_default() -> None:
    seen = run_environment("aws", keda="installed", tags={"team": "search"})
    cluster = seen.one("aws:eks/cluster:Cluster").inputs
    on = {"enabled": True}
    assert cluster["computeConfig"] == on
    assert cluster["storageConfig"] == {"blockStorage": on}
    assert cluster["kubernetesNetworkConfig"] == {"elasticLoadBalancing": on}
    assert cluster["bootstrapSelfManagedAddons"] is False
    assert seen.of_type("aws:eks/nodeGroup:NodeGroup") == []
    assert {each.inputs["addonName"] for each in seen.of_type("aws:eks/addon:Addon")} == {"metrics-server"}
    attached = {
        each.inputs["policyArn"].rsplit("/", 1)[-1]
        for each in seen.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    }
    assert attached == {
        "AmazonEKSBlockStoragePolicy",
        "AmazonEKSClusterPolicy",
        "AmazonEKSComputePolicy",
        "AmazonEKSLoadBalancingPolicy",
        "AmazonEKSNetworkingPolicy",
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonEKSWorkerNodeMinimalPolicy",
    }
    # Nodes of a pool of our own may join only with an entry of type EC2.
    (joins,) = [each for each in seen.of_type("aws:eks/accessEntry:AccessEntry") if each.inputs.get("type") == "EC2"]
    assert joins.name == "asya-aws-node"
    nodes = seen.one("kubernetes:eks.amazonaws.com/v1:NodeClass").inputs["spec"]
    assert nodes["tags"] == {"asya:project": "asya", "asya:stack": "aws", "team": "search"}
    assert nodes["networkPolicy"] == "DefaultAllow"
    switch = seen.one("kubernetes:core/v1:ConfigMap", "eks-configmap-kube-system-amazon-vpc-cni").inputs
    assert switch["data"] == {"enable-network-policy-controller": "true"}


def test_auto_mode_may_tag_nodes_of_its_own_cluster_only() -> None:
    seen = run_environment("aws", keda="installed")
    (policy,) = [
        json.loads(each.inputs["policy"])["Statement"]
        for each in seen.of_type("aws:iam/rolePolicy:RolePolicy")
        if each.name == "asya-aws-cluster"
    ]
    by_name = {each["Sid"]: each for each in policy}
    assert set(by_name) == {"TagLoadBalancers", "TagNodes", "TagVolumes"}
    assert all("Condition" in each for each in policy)


def test_pools_keep_apart_what_only_some_images_can_run_on() -> None:
    pools = {pool["metadata"]["name"]: pool["spec"] for pool in node_pools(4)}
    taints = {name: spec["template"]["spec"].get("taints", []) for name, spec in pools.items()}
    assert taints["asya-amd64"] == []
    assert taints["asya-arm64"] == [ARM_TAINT]
    assert [taint["key"] for taint in taints["asya-gpu"]] == ["nvidia.com/gpu"]
    assert pools["asya-gpu"]["limits"]["nvidia.com/gpu"] == "4"
    assert "asya-gpu" not in {pool["metadata"]["name"] for pool in node_pools(0)}


def gpu_example() -> dict[str, Any]:
    documents = yaml.safe_load_all((ROOT / "examples/asyas/gpu.yaml").read_text(encoding="utf-8"))
    (actor,) = [document for document in documents if document["kind"] == "AsyncActor"]
    return dict(actor["spec"]["workload"]["template"]["spec"])


def schedules(pod: dict[str, Any], labels: dict[str, str], taints: list[Any]) -> bool:
    tolerated = {(each["key"], each["effect"]) for each in pod["tolerations"]}
    return pod["nodeSelector"].items() <= labels.items() and {(t["key"], t["effect"]) for t in taints} <= tolerated


def test_the_example_with_a_gpu_schedules_on_both() -> None:
    pool = next(pool for pool in node_pools(1) if pool["metadata"]["name"] == "asya-gpu")["spec"]["template"]
    assert schedules(gpu_example(), pool["metadata"]["labels"], pool["spec"]["taints"])
    labels, taints = labels_and_taints(NodeGroup(name="gpu", types=("g6.xlarge",)))
    assert schedules(gpu_example(), labels, list(taints))
    assert not schedules(gpu_example(), *labels_and_taints(NodeGroup(name="cpu", types=("m7i.large",))))


def test_node_groups_are_a_list() -> None:
    made = {each.name: each.inputs for each in groups().of_type("aws:eks/nodeGroup:NodeGroup")}
    assert {name: each["amiType"] for name, each in made.items()} == {
        "asya-aws-cpu": "AL2023_x86_64_STANDARD",
        "asya-aws-arm": "AL2023_ARM_64_STANDARD",
        "asya-aws-gpu": "AL2023_x86_64_NVIDIA",
    }
    assert made["asya-aws-cpu"]["scalingConfig"] == {"minSize": 2, "maxSize": 6, "desiredSize": 2}
    assert (made["asya-aws-cpu"]["capacityType"], made["asya-aws-gpu"]["capacityType"]) == ("ON_DEMAND", "SPOT")
    assert made["asya-aws-arm"]["labels"] == {"team": "ocr"}
    assert made["asya-aws-gpu"]["labels"] == {"accelerator": "nvidia-gpu"}
    assert made["asya-aws-gpu"]["taints"] == [
        {"key": "team", "value": "ml", "effect": "NO_EXECUTE"},
        {"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"},
    ]


def test_a_cluster_can_leave_auto_mode() -> None:
    off = {"enabled": False}
    cluster = groups().one("aws:eks/cluster:Cluster").inputs
    assert (cluster["computeConfig"], cluster["storageConfig"]) == (off, {"blockStorage": off})


def test_gpus_have_a_driver_a_device_plugin_and_room_for_images() -> None:
    seen = groups(images={"device-plugin": "mirror.example/k8s-device-plugin:v1"})
    plugin = seen.one("kubernetes:apps/v1:DaemonSet").inputs["spec"]["template"]["spec"]
    assert plugin["containers"][0]["image"] == "mirror.example/k8s-device-plugin:v1"
    template = seen.one("aws:ec2/launchTemplate:LaunchTemplate", "asya-aws-gpu").inputs
    assert template["blockDeviceMappings"][0]["ebs"]["volumeSize"] == 200
    plain = run_environment("aws", keda="installed", compute="node-groups")
    assert plain.of_type("kubernetes:apps/v1:DaemonSet") == []


def test_tags_reach_instances_and_volumes_and_queues() -> None:
    seen = groups(tags={"team": "search"})
    template = seen.one("aws:ec2/launchTemplate:LaunchTemplate", "asya-aws-cpu").inputs
    tagged = {each["resourceType"]: each["tags"]["team"] for each in template["tagSpecifications"]}
    assert tagged == {"instance": "search", "volume": "search", "network-interface": "search"}
    config = seen.one("kubernetes:core/v1:ConfigMap", "mesh-configmap-asya-system-asya-operator-config").inputs
    sqs = json.loads(config["data"]["transports.json"])["transports"]["sqs"]["config"]
    assert sqs["tags"] == {"asya:project": "asya", "asya:stack": "aws", "team": "search"}
    parameters = seen.one("kubernetes:storage.k8s.io/v1:StorageClass").inputs["parameters"]
    assert "team=search" in parameters.values()


@pytest.mark.parametrize(
    ("compute", "provisioner"), [("auto", "ebs.csi.eks.amazonaws.com"), ("node-groups", "ebs.csi.aws.com")]
)
def test_whatever_claims_a_volume_finds_a_class(compute: str, provisioner: str) -> None:
    changes: dict[str, Any] = {"compute": compute, "monitoring": "true", "queue": "rabbitmq", "password": "good-enough"}
    seen = run_environment("aws", keda="installed", **changes)
    storage = seen.one("kubernetes:storage.k8s.io/v1:StorageClass")
    assert storage.inputs["provisioner"] == provisioner
    assert storage.inputs["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    claiming = seen.of_type("kubernetes:apps/v1:StatefulSet")
    assert {each.name for each in claiming} == {
        "mesh-monitoring-statefulset-asya-system-asya-prometheus",
        "statefulset-asya-rabbitmq-asya-rabbitmq",
    }
    assert all((storage.type, storage.name) in each.depends for each in claiming)


def test_network_policies_hold_in_node_groups_as_well() -> None:
    cni = groups().one("aws:eks/addon:Addon", "asya-aws-vpc-cni").inputs
    assert json.loads(cni["configurationValues"]) == {"enableNetworkPolicy": "true"}
    driver = groups().one("aws:eks/addon:Addon", "asya-aws-aws-ebs-csi-driver").inputs
    assert [each["serviceAccount"] for each in driver["podIdentityAssociations"]] == ["ebs-csi-controller-sa"]


def test_an_upgrade_moves_cluster_nodes_and_add_ons() -> None:
    seen = groups(kubernetesVersion="1.35")
    assert seen.one("aws:eks/cluster:Cluster").inputs["version"] == "1.35"
    assert {each.inputs["version"] for each in seen.of_type("aws:eks/nodeGroup:NodeGroup")} == {"1.35"}
    versions = {each.inputs["addonVersion"] for each in seen.of_type("aws:eks/addon:Addon")}
    assert versions == {"v1.0.0-eksbuild.1"}


def test_volumes_take_the_mesh_s_key_where_asked() -> None:
    for seen in (groups(volumeKey="true"), run_environment("aws", keda="installed", volumeKey="true")):
        key = "arn:aws:kms:eu-central-1:123456789012:key/asya-aws"
        assert seen.one("kubernetes:storage.k8s.io/v1:StorageClass").inputs["parameters"]["kmsKeyId"] == key
        sids = [each.get("Sid") for each in json.loads(seen.one("aws:kms/key:Key").inputs["policy"])["Statement"]]
        assert sids == ["VolumesByEbs", "AccountDecides"]
    template = groups(volumeKey="true").one("aws:ec2/launchTemplate:LaunchTemplate", "asya-aws-cpu").inputs
    assert template["blockDeviceMappings"][0]["ebs"]["kmsKeyId"].endswith(":key/asya-aws")


def test_a_cluster_keeps_the_subnets_that_it_was_made_with() -> None:
    """EKS refuses others than of its first zones; nodes go there without it."""
    assert run_environment("aws", keda="installed").one("aws:eks/cluster:Cluster").ignore == ("vpcConfig.subnetIds",)


def test_how_many_nodes_run_is_an_autoscaler_s_where_there_is_one() -> None:
    """Without one it follows the minimum, below which AWS refuses it."""
    token, fixed = "aws:eks/nodeGroup:NodeGroup", run_environment("aws", keda="installed", compute="node-groups")
    assert {each.ignore for each in groups().of_type(token)} == {("scalingConfig.desiredSize",)}
    assert fixed.one(token).ignore == ()
    assert fixed.one(token).inputs["scalingConfig"] == {"minSize": 2, "maxSize": 2, "desiredSize": 2}
