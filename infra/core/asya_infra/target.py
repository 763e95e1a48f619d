"""The port to where actors and tools are declared: a cluster, or the mesh on this machine.

A component asks the target of its mesh, and knows neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pulumi

Policy = pulumi.Input[str] | Mapping[str, Any]
"""ARN of a policy, or a statement of IAM as AWS writes it."""


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What an actor asks of its cloud.

    Attributes:
        sends_to: The only actors that it may send to, besides the end actors; ``None`` allows every actor of the mesh.
        policies: What its role allows besides queues, store and key.
        service_account: Of its pods, in place of one that is made; somebody else makes it.
        secrets: Variables of its handler that nobody may read in its manifest.
    """

    sends_to: tuple[pulumi.Input[str], ...] | None = None
    policies: tuple[Policy, ...] = ()
    service_account: pulumi.Input[str] | None = None
    secrets: Mapping[str, pulumi.Input[str]] | pulumi.Output[Mapping[str, str]] = field(default_factory=dict)


class Target(Protocol):
    """A place for actors."""

    @property
    def transport(self) -> pulumi.Input[str]:
        """What actors write as ``spec.transport``."""

    @property
    def queue_prefix(self) -> str:
        """Begins every queue's name."""

    @property
    def namespace(self) -> pulumi.Input[str] | None:
        """Of the actors; ``None`` without Kubernetes."""

    @property
    def gives_roles(self) -> bool:
        """Whether a cloud gives pods roles here, by which ``sends_to`` and ``policies`` hold; else a cluster refuses both."""

    def queue_url(self, queue: str) -> pulumi.Output[str]:
        """Where a queue is."""

    def actor(
        self, name: str, manifest: Mapping[str, Any], parent: pulumi.Resource, rights: Rights
    ) -> pulumi.Output[str]:
        """Declare an actor; its status once it can take envelopes."""

    def other(self, manifest: Mapping[str, Any]) -> pulumi.Resource:
        """Declare an object that actors refer to: a ConfigMap, a Secret."""

    def tool(
        self, name: str, text: pulumi.Input[str], parent: pulumi.Resource, after: Sequence[pulumi.Resource]
    ) -> None:
        """Declare a tool file."""


class Identities(Protocol):
    """How pods get a role of their cloud, where they need one."""

    @property
    def ready(self) -> Sequence[pulumi.Resource]:
        """Roles of the operator, KEDA and the gateway: pods that start before theirs exists never get it."""

    @property
    def facts(self) -> pulumi.Output[Mapping[str, Any]]:
        """What other programs make roles from, with ``kind``: the entry point of the group ``asya.identities``."""

    def of_actor(
        self, actor: str, namespace: pulumi.Input[str], rights: Rights, parent: pulumi.Resource
    ) -> tuple[pulumi.Input[str], Sequence[pulumi.Resource]]:
        """Give an actor's pods a role.

        Args:
            actor: Its name.
            namespace: Where it lives.
            rights: What its role allows, and whose it is.
            parent: Of what is made.

        Returns:
            The pods' service account, and what must exist before they start.
        """


class Mesh(Protocol):
    """An ``AsyaMesh``, a local one, or what ``connect()`` gave."""

    @property
    def target(self) -> Target:
        """Where its actors go."""
