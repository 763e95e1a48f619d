"""The mesh on this machine as a component: the interface of AsyaMesh without a cluster."""

from importlib.util import find_spec
from typing import Final

import pulumi

from asya_infra.errors import ConfigError
from asya_infra.local_resources import LocalMesh
from asya_infra.local_target import LocalTarget
from asya_infra.options import root_folder
from asya_infra.settings import Settings

TYPE: Final = "asya:index:LocalEnvironment"


class LocalEnvironment(pulumi.ComponentResource):
    """A local mesh that follows a stack.

    Args:
        name: Of the resource.
        settings: ``home``, ``queue``, ``sqs_endpoint`` and ``wait_s`` of it.
        opts: Options.

    Raises:
        ConfigError: What runs a mesh on this machine is not installed.
    """

    target: LocalTarget
    home: pulumi.Output[str]
    """Its folder: ``asya local status --home`` takes it."""
    outputs: dict[str, pulumi.Output[str]]
    """All of them, for a stack to export."""

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        if find_spec("asya_local") is None:
            raise ConfigError("asya:mesh", "actors as processes of this machine need: pip install 'asya-infra[local]'")
        super().__init__(TYPE, name, {}, opts)
        home = str(root_folder() / settings.home)
        transport = "memory" if settings.queue == "memory" else "sqs"
        made = LocalMesh(
            f"{name}-processes",
            home=home,
            transport=transport,
            endpoint=settings.sqs_endpoint,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.target = LocalTarget(
            mesh=made,
            home=home,
            transport=transport,
            endpoint=settings.sqs_endpoint,
            root=root_folder(),
            wait_s=settings.wait_s,
        )
        self.home = made.home
        self.outputs = {"home": self.home, "transport": pulumi.Output.from_input(transport)}
        self.register_outputs(self.outputs)
