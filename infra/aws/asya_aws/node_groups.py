"""Managed node groups: each with a launch template of its own, so that disks, tags and metadata are ours."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pulumi

from asya_aws.instances import accelerator, image_type
from asya_aws.settings import LABEL_GPU, TAINT_GPU, AwsSettings, NodeGroup

GPU_DISK_GIB: Final = 200
"""Images with CUDA are large; with 50 GiB a node runs full at the second one."""
_EFFECTS: Final = {"NoSchedule": "NO_SCHEDULE", "NoExecute": "NO_EXECUTE", "PreferNoSchedule": "PREFER_NO_SCHEDULE"}


def labels_and_taints(group: NodeGroup) -> tuple[dict[str, str], list[Mapping[str, str]]]:
    """What a group's nodes carry; those with NVIDIA GPUs are kept for pods that ask for them. Pure."""
    gpu = accelerator(group.types[0]) == "nvidia"
    taints = [*group.taints, *([TAINT_GPU] if gpu and TAINT_GPU not in group.taints else [])]
    return {**(LABEL_GPU if gpu else {}), **group.labels}, taints


def node_group(
    group: NodeGroup,
    *,
    cluster: str,
    cluster_name: pulumi.Output[str],
    settings: AwsSettings,
    role_arn: pulumi.Output[str],
    subnet_ids: pulumi.Input[Sequence[pulumi.Input[str]]],
    tags: Mapping[str, str],
    key_arn: pulumi.Output[str] | None,
    opts: pulumi.ResourceOptions,
    after: Sequence[pulumi.Resource],
) -> pulumi.Resource:
    """Make one.

    Args:
        group: What it is.
        cluster: Begins the resources' names.
        cluster_name: The cluster.
        settings: The version.
        role_arn: Of the nodes.
        subnet_ids: Where.
        tags: Of instances and volumes, which the provider's own tags do not reach.
        key_arn: Encrypts disks; ``None`` leaves it to AWS's own key.
        opts: With parent and provider.
        after: What must be there before a node starts.
    """
    from pulumi_aws import ec2, eks

    labels, taints = labels_and_taints(group)
    disk = max(group.disk_gib, GPU_DISK_GIB) if accelerator(group.types[0]) else group.disk_gib
    name = f"{cluster}-{group.name}"
    template: Any = ec2.LaunchTemplate(
        # The first group's template had this name before there were others.
        f"{cluster}-node" if group.name == "nodes" else name,
        # One hop: a pod cannot take the node's role by asking for its metadata.
        metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 1},
        block_device_mappings=[
            {
                "device_name": "/dev/xvda",
                "ebs": {
                    "volume_size": disk,
                    "volume_type": "gp3",
                    "encrypted": "true",
                    **({"kms_key_id": key_arn} if key_arn is not None else {}),
                },
            }
        ],
        tag_specifications=[
            {"resource_type": kind, "tags": {"Name": name, **tags}}
            for kind in ("instance", "volume", "network-interface")
        ],
        opts=opts,
    )
    theirs = ["scalingConfig.desiredSize"] if settings.autoscaler == "installed" else None
    more = pulumi.ResourceOptions(depends_on=list(after), ignore_changes=theirs)
    made: pulumi.Resource = eks.NodeGroup(
        name,
        cluster_name=cluster_name,
        node_role_arn=role_arn,
        subnet_ids=subnet_ids,
        # The control plane goes first, then its nodes: they may be older, never newer.
        version=settings.kubernetes_version,
        instance_types=list(group.types),
        ami_type=image_type(group.types),
        capacity_type="SPOT" if group.spot else "ON_DEMAND",
        labels=labels,
        taints=[{**taint, "effect": _EFFECTS.get(taint["effect"], taint["effect"])} for taint in taints],
        launch_template={"id": template.id, "version": template.latest_version.apply(str)},
        # AWS refuses a minimum above the number that runs, so that number moves with it, unless it is an autoscaler's.
        scaling_config={"min_size": group.min, "max_size": group.max, "desired_size": group.min},
        update_config={"max_unavailable": 1},
        opts=pulumi.ResourceOptions.merge(opts, more),
    )
    return made
