"""Connects users' own programs to a mesh: ``mesh = connect()``, and the stack's settings say where it leads."""

import json
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Final, Literal, get_args

import pulumi
from pulumi.runtime.sync_await import _sync_await

from asya_infra.cluster_target import KubernetesTarget
from asya_infra.config_reader import ConfigReader
from asya_infra.kubeconfig import read_kubeconfig
from asya_infra.kubernetes_provider import kubernetes_provider
from asya_infra.local_mesh import LocalEnvironment
from asya_infra.options import root_folder
from asya_infra.ownership import Ownership
from asya_infra.settings import PRESETS, Settings
from asya_infra.target import Identities, Mesh
from asya_protocol import names

Where = Literal["local", "cluster"]
Transport = Literal["sqs", "rabbitmq"]
IDENTITIES: Final = "asya.identities"
"""Group of entry points: each takes what a platform told of its cloud, the settings and options for providers, and gives
``Identities``."""
LOCAL: Final = "local"


class Connection(pulumi.ComponentResource):
    """A mesh that somebody else made, in a cluster.

    Settings of the stack: ``asya:mesh`` (``cluster``) and either ``asya:platform``, the stack that made the mesh, or by
    hand ``asya:transport``, and where they are not the defaults ``asya:kubeconfig``, ``asya:context``, ``asya:namespace``,
    ``asya:systemNamespace``, ``asya:queuePrefix``, ``asya:queueUrl``; ``asya:waitSeconds`` and ``asya:adopt`` besides.
    """

    target: KubernetesTarget

    def __init__(
        self, name: str, read: ConfigReader, stack: str = "", opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("asya:index:Connection", name, {}, opts)
        told = _platform(read, stack) if stack else _by_hand(read)
        self.target = told_target(
            told, read, name, wait_s=read.whole("waitSeconds", 300, 0, 3600), adopt=read.flag("adopt", False)
        )
        self.register_outputs({})


def told_target(
    told: Mapping[str, Any],
    read: ConfigReader,
    name: str,
    *,
    wait_s: int,
    adopt: bool,
    parent: pulumi.Resource | None = None,
) -> KubernetesTarget:
    """Where actors go, by what a platform's stack tells of itself (its output ``platform``).

    Args:
        told: That output, parsed, with ``server``, which tells clusters apart.
        read: The program's own settings.
        name: Begins the names of providers.
        wait_s: How long an actor may take; 0 does not wait.
        adopt: Whether actors that are there already are taken over.
        parent: Of the providers.
    """
    kubeconfig = pulumi.Output.secret(told["kubeconfig"])
    opts = pulumi.ResourceOptions(parent=parent)
    return KubernetesTarget(
        provider=kubernetes_provider(
            f"{name}-cluster", told["kubeconfig"], told["context"], told["server"], adopt=adopt, opts=opts
        ),
        kubeconfig=kubeconfig,
        context=told["context"],
        namespace=told["namespace"],
        system_namespace=told["systemNamespace"],
        transport=told["transport"],
        url=pulumi.Output.from_input(told["queueUrl"]),
        queue_prefix=told["queuePrefix"],
        pull_secret=told.get("pullSecret", ""),
        gateway=told.get("gateway"),
        ownership=Ownership(kubeconfig, told["context"], adopt=adopt),
        wait_s=wait_s,
        identities=_identities(told["cloud"], read, opts) if told.get("cloud") else None,
    )


def connect(name: str = "mesh", *, stack: str = "") -> Mesh:
    """Find the mesh that this stack's actors belong to.

    ``asya:mesh`` says which: ``local`` runs them as processes of this machine (the default of a stack named ``local``),
    ``cluster`` declares them in a cluster where a mesh is installed.

    Args:
        name: Of the resource.
        stack: The stack that made the mesh, as ``organization/project/stack``: everything is read from its outputs, and
            on AWS actors get roles of their own. Empty takes ``asya:platform``.

    Raises:
        ConfigError: A setting cannot be used.
    """
    read = ConfigReader()
    if read.choice("mesh", get_args(Where), LOCAL if pulumi.get_stack() == LOCAL else "cluster") == "cluster":
        return Connection(name, read, stack or read.text("platform"))
    cluster, _, store, database = PRESETS[LOCAL]
    settings = Settings(
        environment=LOCAL,
        cluster=cluster,
        queue=read.choice("queue", ("sqs", "memory"), "sqs"),
        store=store,
        database=database,
        home=read.text("home", ".asya"),
        sqs_endpoint=read.text("sqsEndpoint"),
        wait_s=read.whole("waitSeconds", 300, 0, 3600),
    )
    return LocalEnvironment(name, settings)


def _by_hand(read: ConfigReader) -> dict[str, Any]:
    path = read.text("kubeconfig")
    found = read_kubeconfig(str(root_folder() / path) if path else "", read.text("context"))
    transport: Transport = read.choice("transport", get_args(Transport), "sqs")
    return {
        "kubeconfig": found.text,
        "context": found.context,
        "server": found.server,
        "namespace": read.text("namespace", "asya"),
        "systemNamespace": read.text("systemNamespace", "asya-system"),
        "transport": transport,
        "queueUrl": read.text("queueUrl"),
        "queuePrefix": read.text("queuePrefix", names.QUEUE_PREFIX),
    }


def _platform(read: ConfigReader, stack: str) -> dict[str, Any]:
    """Read what the stack exports, at once: names and transport decide what is declared."""
    found = _sync_await(pulumi.StackReference(stack).get_output_details("platform"))
    text = found.secret_value or found.value
    if not text:
        raise read.refuse("platform", f"{stack} exports no 'platform'; it is no mesh's stack, or was never updated")
    return read_platform(text, stack)


def read_platform(text: str, stack: str = "") -> dict[str, Any]:
    """Parse a platform's output, and tell its cluster from others: a kubeconfig changes with its credentials. Pure."""
    told = json.loads(text)
    return {**told, "server": (told.get("cloud") or {}).get("clusterArn") or told["queueUrl"] or stack}


def _identities(told: Mapping[str, Any], read: ConfigReader, opts: pulumi.ResourceOptions) -> Identities:
    kind = str(told["kind"])
    for found in entry_points(group=IDENTITIES, name=kind):
        made: Identities = found.load()(told, read, opts)
        return made
    raise read.refuse("platform", f"is on {kind}, for whose roles this program needs the distribution asya-{kind}")
