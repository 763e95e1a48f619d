"""AsyncActor and McpTool for programs in any of Pulumi's languages, through ``infra/plugin``.

Their arguments are what a schema can say: no unions, no methods, no mesh object. So an actor is told which transport and
namespace it belongs to, and reaches the cluster by the program's own kubernetes provider. Plain arguments decide the manifest,
which is checked as in Python; ``infra/plugin/schema.json`` is made from this module by ``make docs``.
"""

from collections.abc import Mapping
from typing import Any, Final, Optional, TypedDict

import pulumi

from asya_infra.actor_args import ActorArgs, Retry, Scaling, actor_manifest
from asya_infra.cluster_target import KubernetesTarget
from asya_infra.tool import tool_file
from asya_protocol import names

PACKAGE: Final = "asya"
SECRET_INPUTS: Final = frozenset({"kubeconfig"})
"""Arguments that the schema marks, and that components do not keep as inputs; spelled alike in Python and on the wire."""


class ScalingArgs(TypedDict):
    """How many replicas, by the depth of the actor's queue."""

    min_replicas: Optional[int]  # noqa: UP045 - what Pulumi's analyser reads, here and below
    """Replicas at least; 0 naps."""
    max_replicas: Optional[int]  # noqa: UP045
    """Replicas at most."""
    queue_length: Optional[int]  # noqa: UP045
    """Envelopes for each replica."""


class RetryArgs(TypedDict):
    """What happens to an envelope whose handler raised."""

    max_attempts: Optional[int]  # noqa: UP045
    """Handler attempts in all."""
    non_retryable: Optional[list[str]]  # noqa: UP045
    """Class names of errors that are never tried again."""


class AsyncActorArgs(TypedDict):
    """An actor."""

    handler: str
    """`module.func` or `module.Class.method`."""
    image: pulumi.Input[str]
    """Of the container with the handler."""
    transport: Optional[str]  # noqa: UP045
    """The mesh's: `sqs` (default) or `rabbitmq`."""
    namespace: Optional[str]  # noqa: UP045
    """Of the mesh's actors; default `asya`."""
    scaling: Optional[ScalingArgs]  # noqa: UP045
    """Without it one replica runs."""
    retry: Optional[RetryArgs]  # noqa: UP045
    """Without it three attempts are made."""
    env: Optional[Mapping[str, pulumi.Input[str]]]  # noqa: UP045
    """Variables of the handler's container."""
    queue_prefix: Optional[str]  # noqa: UP045
    """Begins the queue's name; default `asya-`."""
    queue_url: Optional[pulumi.Input[str]]  # noqa: UP045
    """Where the mesh's queues are, for the output of the same name."""
    kubeconfig: Optional[pulumi.Input[str]]  # noqa: UP045
    """Content of a kubeconfig, to wait for the actor with; a secret. Without it nobody waits."""
    wait_seconds: Optional[int]  # noqa: UP045
    """How long the actor may take to run or nap; default 300."""


class AsyncActor(pulumi.ComponentResource):
    """One actor of an Asya mesh in a cluster."""

    queue_name: pulumi.Output[str]
    """Its queue."""
    queue_url: pulumi.Output[str]
    """Where its queue is, where `queueUrl` was given."""
    status: pulumi.Output[str]
    """`Running` or `Napping` as of the last update that concerned it; empty when nobody waited."""

    def __init__(
        self,
        name: str,
        args: AsyncActorArgs,
        opts: Optional[pulumi.ResourceOptions] = None,  # noqa: UP045
    ) -> None:
        # Whoever gives a secret as plain text must not find it in the state; nothing reads a component's inputs.
        shown = {key: value for key, value in args.items() if key not in SECRET_INPUTS}
        super().__init__(f"{PACKAGE}:index:AsyncActor", name, shown, opts)
        prefix = args.get("queue_prefix") or names.QUEUE_PREFIX
        kubeconfig = args.get("kubeconfig")
        transport = args.get("transport") or "sqs"
        url = args.get("queue_url")
        target = KubernetesTarget(
            provider=None,
            kubeconfig=pulumi.Output.secret(kubeconfig or ""),
            context=None,
            namespace=args.get("namespace") or "asya",
            system_namespace="",
            transport=transport,
            url=pulumi.Output.from_input(url or ""),
            queue_prefix=prefix,
            wait_s=0 if kubeconfig is None else _whole(args.get("wait_seconds"), 300),
        )
        manifest = actor_manifest(name, transport, _actor(args))
        self.queue_name = pulumi.Output.from_input(f"{prefix}{name}")
        self.queue_url = target.queue_url(f"{prefix}{name}")
        self.status = target.actor(name, manifest, self)
        self.register_outputs({"queueName": self.queue_name, "queueUrl": self.queue_url, "status": self.status})


class McpToolArgs(TypedDict):
    """A tool."""

    route: list[str]
    """Actors in order."""
    description: Optional[str]  # noqa: UP045
    """For whoever chooses among tools."""
    parameters: Optional[Any]  # noqa: UP045
    """By name, as the gateway's tool files have them."""
    timeout_seconds: Optional[int]  # noqa: UP045
    """Without it the gateway's own."""
    system_namespace: Optional[str]  # noqa: UP045
    """Of the gateway; default `asya-system`."""


class McpTool(pulumi.ComponentResource):
    """A route of actors that agents and programs call by a name, through the mesh's gateway."""

    def __init__(
        self,
        name: str,
        args: McpToolArgs,
        opts: Optional[pulumi.ResourceOptions] = None,  # noqa: UP045
    ) -> None:
        super().__init__(f"{PACKAGE}:index:McpTool", name, dict(args), opts)
        timeout = args.get("timeout_seconds")
        text = tool_file(
            name,
            list(args["route"]),
            description=args.get("description") or "",
            parameters=args.get("parameters"),
            timeout=None if timeout is None else int(timeout),
        )
        target = KubernetesTarget(
            provider=None,
            kubeconfig=pulumi.Output.from_input(""),
            context=None,
            namespace="",
            system_namespace=args.get("system_namespace") or "asya-system",
            transport="",
            url=pulumi.Output.from_input(""),
        )
        target.tool(name, text, self, ())
        self.register_outputs({})


COMPONENTS: Final[list[type[pulumi.ComponentResource]]] = [AsyncActor, McpTool]


def _actor(args: AsyncActorArgs) -> ActorArgs:
    scaling, retry = args.get("scaling"), args.get("retry")
    return ActorArgs(
        image=args["image"],
        handler=args["handler"],
        env=args.get("env") or {},
        scaling=None
        if scaling is None
        else Scaling(
            min_replicas=_number(scaling.get("min_replicas")),
            max_replicas=_number(scaling.get("max_replicas")),
            queue_length=_number(scaling.get("queue_length")),
        ),
        retry=None
        if retry is None
        else Retry(max_attempts=_number(retry.get("max_attempts")), non_retryable=retry.get("non_retryable")),
    )


def _number(value: float | None) -> int | None:
    """A whole number: on the wire all are floats."""
    return None if value is None else int(value)


def _whole(value: float | None, default: int) -> int:
    return default if value is None else int(value)
