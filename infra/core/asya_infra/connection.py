"""A way to a mesh for users' own programs: ``mesh = connect()``, and the stack's settings say where it leads."""

from typing import Final, Literal, get_args

import pulumi

from asya_infra.cluster_target import KubernetesTarget
from asya_infra.config_reader import ConfigReader
from asya_infra.kubeconfig import read_kubeconfig
from asya_infra.kubernetes_provider import kubernetes_provider
from asya_infra.local_mesh import LocalEnvironment
from asya_infra.options import root_folder
from asya_infra.settings import PRESETS, Settings
from asya_infra.target import Mesh
from asya_protocol import names

Where = Literal["local", "cluster"]
Transport = Literal["sqs", "rabbitmq"]


class Connection(pulumi.ComponentResource):
    """A mesh that somebody else made, in a cluster.

    Settings of the stack: ``asya:mesh`` (``cluster``), ``asya:transport``, and where they are not the defaults
    ``asya:kubeconfig``, ``asya:context``, ``asya:namespace``, ``asya:systemNamespace``, ``asya:queuePrefix``, ``asya:queueUrl``
    and ``asya:waitSeconds``.
    """

    target: KubernetesTarget

    def __init__(self, name: str, read: ConfigReader, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("asya:index:Connection", name, {}, opts)
        path = read.text("kubeconfig")
        found = read_kubeconfig(str(root_folder() / path) if path else "", read.text("context"))
        transport: Transport = read.choice("transport", get_args(Transport), "sqs")
        self.target = KubernetesTarget(
            provider=kubernetes_provider(f"{name}-cluster", found.text, found.context, found.server),
            kubeconfig=pulumi.Output.secret(found.text),
            context=found.context,
            namespace=read.text("namespace", "asya"),
            system_namespace=read.text("systemNamespace", "asya-system"),
            transport=transport,
            url=pulumi.Output.from_input(read.text("queueUrl")),
            queue_prefix=read.text("queuePrefix", names.QUEUE_PREFIX),
            wait_s=read.whole("waitSeconds", 300, 0, 3600),
        )
        self.register_outputs({})


LOCAL: Final = "local"


def connect(name: str = "mesh") -> Mesh:
    """Find the mesh that this stack's actors belong to.

    ``asya:mesh`` says which: ``local`` runs them as processes of this machine (the default of a stack named ``local``),
    ``cluster`` declares them in a cluster where a mesh is installed.

    Raises:
        ConfigError: A setting cannot be used.
    """
    read = ConfigReader()
    if read.choice("mesh", get_args(Where), LOCAL if pulumi.get_stack() == LOCAL else "cluster") == "cluster":
        return Connection(name, read)
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
