"""Kubernetes objects that nodes and volumes of EKS need: pools of Auto Mode, storage class, network policy, GPUs. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import pulumi

from asya_aws.settings import LABEL_GPU, TAINT_GPU

Manifest = dict[str, Any]
NODE_CLASS: Final = "asya"
DISK: Final = "100Gi"
"""Of a node of Auto Mode; images with CUDA are large."""
CPUS: Final = "1000"
"""What one pool may start, so that a mistake has an end."""
DEVICE_PLUGIN_IMAGE: Final = "nvcr.io/nvidia/k8s-device-plugin:v0.17.4"
_KARPENTER: Final = "karpenter.sh/v1"
_EKS: Final = "eks.amazonaws.com"
ARM_TAINT: Final = {"key": "kubernetes.io/arch", "value": "arm64", "effect": "NoSchedule"}
"""Else a pod that says nothing of its architecture could land there, with an image for amd64 only: exec format error."""


def node_class(
    role: Any,  # noqa: ANN401 - outputs
    subnet_ids: Any,  # noqa: ANN401 - ids, or their output
    security_group: Any,  # noqa: ANN401 - outputs
    tags: Mapping[str, Any],
    key_arn: Any = None,  # noqa: ANN401 - outputs
) -> Manifest:
    """How Auto Mode starts a node: role, subnets, disk, tags, and NetworkPolicies that hold.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/create-node-class.html
    """
    disk: Manifest = {"size": DISK, **({"kmsKeyID": key_arn} if key_arn is not None else {})}
    return {
        "apiVersion": f"{_EKS}/v1",
        "kind": "NodeClass",
        "metadata": {"name": NODE_CLASS},
        "spec": {
            "role": role,
            "subnetSelectorTerms": pulumi.Output.from_input(subnet_ids).apply(
                lambda ids: [{"id": each} for each in ids]
            ),
            "securityGroupSelectorTerms": [{"id": security_group}],
            "networkPolicy": "DefaultAllow",
            "networkPolicyEventLogs": "Disabled",
            "ephemeralStorage": disk,
            "tags": dict(tags),
        },
    }


def node_pools(gpus: int) -> list[Manifest]:
    """The pools of Auto Mode: amd64 by default, arm64 and GPUs for pods that tolerate their taints.

    Args:
        gpus: How many may run at once; 0 makes no pool.
    """
    found = [
        _pool("asya-amd64", "amd64", {"cpu": CPUS}),
        _pool("asya-arm64", "arm64", {"cpu": CPUS}, taint=ARM_TAINT),
    ]
    if gpus:
        limits = {"cpu": CPUS, "nvidia.com/gpu": str(gpus)}
        found.append(_pool("asya-gpu", "amd64", limits, taint=TAINT_GPU, labels=LABEL_GPU, gpu=True))
    return found


def _pool(
    name: str,
    arch: str,
    limits: Mapping[str, str],
    *,
    taint: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    gpu: bool = False,
) -> Manifest:
    def one_of(key: str, *values: str) -> Manifest:
        return {"key": key, "operator": "In", "values": list(values)}

    kind = (
        [one_of(f"{_EKS}/instance-gpu-manufacturer", "nvidia")]
        if gpu
        else [one_of(f"{_EKS}/instance-category", "c", "m", "r")]
    )
    spec: Manifest = {
        "nodeClassRef": {"group": _EKS, "kind": "NodeClass", "name": NODE_CLASS},
        "requirements": [
            *kind,
            one_of("kubernetes.io/arch", arch),
            one_of("karpenter.sh/capacity-type", "on-demand"),
            {"key": f"{_EKS}/instance-generation", "operator": "Gt", "values": ["3"]},
        ],
        # Nodes are replaced after two weeks with patched ones; a pod that does not end is given a day.
        "expireAfter": "336h",
        "terminationGracePeriod": "24h",
        **({"taints": [dict(taint)]} if taint else {}),
    }
    return {
        "apiVersion": _KARPENTER,
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {
            "template": {**({"metadata": {"labels": dict(labels)}} if labels else {}), "spec": spec},
            "limits": dict(limits),
            # Model weights take minutes to load: a GPU's node goes only when it is empty.
            "disruption": {
                "consolidationPolicy": "WhenEmpty" if gpu else "WhenEmptyOrUnderutilized",
                "consolidateAfter": "5m",
            },
        },
    }


def storage_class(*, auto: bool, tags: Mapping[str, str], key_arn: Any = None) -> Manifest:  # noqa: ANN401 - outputs
    """The default class: EKS marks none since 1.30, and a claim that names none would wait for ever."""
    parameters: Manifest = {"type": "gp3", "encrypted": "true"}
    parameters |= {f"tagSpecification_{place}": f"{key}={value}" for place, (key, value) in enumerate(tags.items(), 1)}
    if key_arn is not None:
        parameters["kmsKeyId"] = key_arn
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "asya-gp3", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "ebs.csi.eks.amazonaws.com" if auto else "ebs.csi.aws.com",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
        "parameters": parameters,
    }


def network_policy_switch() -> Manifest:
    """Turns NetworkPolicies on in Auto Mode; its VPC CNI has no add-on that could be told.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/auto-net-pol.html
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "amazon-vpc-cni", "namespace": "kube-system"},
        "data": {"enable-network-policy-controller": "true"},
    }


def device_plugin(image: str = DEVICE_PLUGIN_IMAGE) -> Manifest:
    """Tells Kubernetes of GPUs where the node's image has the driver alone; Auto Mode brings its own."""
    name = "nvidia-device-plugin"
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "asya"}
    folder = "/var/lib/kubelet/device-plugins"
    container: Manifest = {
        "name": name,
        "image": image,
        "env": [{"name": "FAIL_ON_INIT_ERROR", "value": "false"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [{"name": "device-plugins", "mountPath": folder}],
    }
    pod: Manifest = {
        "priorityClassName": "system-node-critical",
        "nodeSelector": dict(LABEL_GPU),
        "tolerations": [{"key": TAINT_GPU["key"], "operator": "Exists", "effect": TAINT_GPU["effect"]}],
        "containers": [container],
        # How it reaches the kubelet; there is no other way.
        "volumes": [{"name": "device-plugins", "hostPath": {"path": folder}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
