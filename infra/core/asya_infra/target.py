"""Where actors and tools are declared, as a port: a cluster, or the mesh on this machine.

A component asks the target of its mesh, and knows neither.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pulumi


class Target(Protocol):
    """A place for actors."""

    @property
    def transport(self) -> str:
        """What actors write as ``spec.transport``."""

    @property
    def queue_prefix(self) -> str:
        """Begins every queue's name."""

    @property
    def namespace(self) -> str | None:
        """Of the actors; ``None`` without Kubernetes."""

    def queue_url(self, queue: str) -> pulumi.Output[str]:
        """Where a queue is."""

    def actor(
        self, name: str, manifest: Mapping[str, Any], parent: pulumi.Resource, sends_to: Sequence[str] | None = None
    ) -> pulumi.Output[str]:
        """Declare an actor; its status once it can take envelopes."""

    def other(self, manifest: Mapping[str, Any]) -> pulumi.Resource:
        """Declare an object that actors refer to: a ConfigMap, a Secret."""

    def tool(self, name: str, text: str, parent: pulumi.Resource, after: Sequence[pulumi.Resource]) -> None:
        """Declare a tool file."""


class Identities(Protocol):
    """How pods get a role of their cloud, where they need one."""

    @property
    def ready(self) -> Sequence[pulumi.Resource]:
        """Roles of the operator, KEDA and the gateway: pods that start before theirs exists never get it."""

    def of_actor(
        self, actor: str, namespace: str, sends_to: Sequence[str] | None, parent: pulumi.Resource
    ) -> tuple[str, Sequence[pulumi.Resource]]:
        """Give an actor's pods a role.

        Args:
            actor: Its name.
            namespace: Where it lives.
            sends_to: Actors that it may send to; none: any.
            parent: Of what is made.

        Returns:
            The pods' service account, and what must exist before they start.
        """


class Mesh(Protocol):
    """An ``AsyaMesh``, a local one, or what ``connect()`` gave."""

    @property
    def target(self) -> Target:
        """Where its actors go."""
