"""An actor of a cluster that moves from one component of its program to another."""

from types import SimpleNamespace

import pulumi
import yaml

from asya_infra import AsyncActor
from asya_infra.cluster_target import KubernetesTarget
from asya_infra.installation import DEPLOY
from asya_infra.kubernetes_object import KubernetesObject

crd = KubernetesObject("crd", yaml.safe_load((DEPLOY / "operator/crd.yaml").read_text(encoding="utf-8")))
room = KubernetesObject("room", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "room"}})
nowhere = pulumi.Output.from_input("")
target = KubernetesTarget(
    provider=None,
    kubeconfig=nowhere,
    context=None,
    namespace="room",
    system_namespace="room",
    transport="rabbitmq",
    url=nowhere,
    wait_s=0,
    after=(crd, room),
)
old = pulumi.ComponentResource("moving:index:Old", "old")
new = pulumi.ComponentResource("moving:index:New", "new")
moved = pulumi.Config().get_bool("moved")
AsyncActor(
    "ocr",
    mesh=SimpleNamespace(target=target),
    image="ocr:1",
    handler="ocr.process",
    opts=pulumi.ResourceOptions(parent=new, aliases=[pulumi.Alias(parent=old)])
    if moved
    else pulumi.ResourceOptions(parent=old),
)
