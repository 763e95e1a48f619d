"""The mesh on this machine as the place for actors: manifests in a folder that it watches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml

from asya_infra.errors import ConfigError
from asya_infra.kubernetes_object import object_name, with_secrets
from asya_infra.local_resources import FOLDER, TOOLS_FOLDER, LocalActor, LocalObject
from asya_infra.target import Rights
from asya_infra.tool_names import file_name
from asya_manifest.labels import ANNOTATION_SOURCE
from asya_manifest.pod import RUNTIME_CONTAINER
from asya_protocol import names


@dataclass(frozen=True, kw_only=True)
class LocalTarget:
    """The mesh on this machine.

    Attributes:
        mesh: The resource that stands for it.
        home: Its folder, absolute.
        transport: Its broker's kind.
        endpoint: SQS and S3 endpoint that already runs.
        root: Where relative folders of code start: that of Pulumi.yaml, since manifests are kept elsewhere.
        wait_s: How long an actor may take.
    """

    mesh: pulumi.Resource
    home: str
    transport: str
    endpoint: str = ""
    root: Path = Path()
    wait_s: int = 300
    queue_prefix: str = names.QUEUE_PREFIX
    namespace: str | None = None

    @property
    def gives_roles(self) -> bool:
        """Processes have none."""
        return False

    def queue_url(self, queue: str) -> pulumi.Output[str]:
        """The queue's name alone: the broker's port is another one each time."""
        return pulumi.Output.from_input(queue)

    def actor(
        self, name: str, manifest: Mapping[str, Any], parent: pulumi.Resource, rights: Rights
    ) -> pulumi.Output[str]:
        """Put the manifest where the mesh finds it, and wait for the mesh.

        Processes are their user's own and have no role of a cloud: what asks for one is said to hold nowhere here, so that a
        program for AWS can be tried.
        """
        asked = [
            word for word, said in (("policies", rights.policies), ("sends_to", rights.sends_to is not None)) if said
        ]
        if asked:
            pulumi.log.warn(
                f"AsyncActor {name}: {' and '.join(asked)} hold for roles of a cloud, and not on this machine"
            )
        manifest = with_variables(with_absolute_source(manifest, self.root), rights.secrets)
        made = LocalActor(
            name,
            mesh={"home": self.home, "transport": self.transport, "endpoint": self.endpoint},
            actor=str(manifest["metadata"]["name"]),
            manifest=manifest,
            wait_s=self.wait_s,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[self.mesh]),
        )
        return made.status

    def other(self, manifest: Mapping[str, Any]) -> pulumi.Resource:
        """Put it beside the actors' manifests."""
        name = object_name(manifest)
        opts = pulumi.ResourceOptions(depends_on=[self.mesh])
        text = pulumi.Output.from_input(with_secrets(manifest)).apply(
            lambda known: yaml.safe_dump(known, sort_keys=True)
        )
        return LocalObject(name, home=self.home, folder=FOLDER, object_name=name, text=text, opts=opts)

    def tool(
        self, name: str, text: pulumi.Input[str], parent: pulumi.Resource, after: Sequence[pulumi.Resource]
    ) -> None:
        """Put it where the local mesh's gateway finds it."""
        LocalObject(
            name,
            home=self.home,
            folder=TOOLS_FOLDER,
            object_name=file_name(name),
            text=text,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[self.mesh, *after]),
        )


def with_variables(
    manifest: Mapping[str, Any], variables: Mapping[str, pulumi.Input[str]] | pulumi.Output[Mapping[str, str]]
) -> dict[str, Any]:
    """Add variables to the handler's container: on this machine they are in the manifest, which is its user's own."""
    if isinstance(variables, pulumi.Output):
        raise ConfigError("AsyncActor", "secrets on this machine are a mapping, whose values may be outputs")
    if not variables:
        return dict(manifest)
    more = [{"name": key, "value": value} for key, value in variables.items()]
    spec = manifest["spec"]
    workload = spec.get("workload") or {"template": {"spec": {"containers": [{"name": RUNTIME_CONTAINER}]}}}
    template, pod = workload["template"], workload["template"]["spec"]
    containers = [
        {**each, "env": [*each.get("env", ()), *more]} if each["name"] == RUNTIME_CONTAINER else each
        for each in pod["containers"]
    ]
    changed = {**workload, "template": {**template, "spec": {**pod, "containers": containers}}}
    return {**manifest, "spec": {**spec, "workload": changed}}


def with_absolute_source(manifest: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Say where the code is from wherever the manifest lies."""
    meta = manifest["metadata"]
    notes = meta.get("annotations") or {}
    if ANNOTATION_SOURCE not in notes:
        return dict(manifest)
    placed = {**notes, ANNOTATION_SOURCE: str(root / notes[ANNOTATION_SOURCE])}
    return {**manifest, "metadata": {**meta, "annotations": placed}}
