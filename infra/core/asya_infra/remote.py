"""AsyncActor and McpTool for programs in any of Pulumi's languages, through ``infra/plugin``.

Their arguments are what a schema can say: no unions, no methods, no mesh object. So an actor is told its mesh by the output
``platform`` of the stack that made it, as ``connect(stack=...)`` reads it; without, its transport and namespace,
and it reaches the cluster by the program's own kubernetes provider. Plain arguments decide which resources there are; the
manifest is checked as in Python. ``infra/plugin/schema.json`` is made from this module by ``make docs``.
"""

from collections.abc import Mapping
from typing import Any, Final, Optional, TypedDict

import pulumi
from pydantic.alias_generators import to_camel

from asya_infra.actor_args import PARTS, ActorArgs, actor_manifest
from asya_infra.cluster_target import KubernetesTarget
from asya_infra.config_reader import ConfigReader
from asya_infra.connection import read_platform, told_target
from asya_infra.errors import ConfigError
from asya_infra.ownership import Ownership
from asya_infra.target import Rights
from asya_infra.tool import written_tool
from asya_protocol import names

PACKAGE: Final = "asya"
SECRET_INPUTS: Final = frozenset({"kubeconfig", "secrets"})
"""Arguments that the schema marks; spelled alike in Python and on the wire."""
_UNSEEN: Final = SECRET_INPUTS | {"platform"}
"""What components do not keep as inputs. A marked one reaches them as an output, and the platform decides what they make."""


class Scaling(TypedDict):
    """How many replicas, by the depth of the actor's queue. Times are as Go writes them: `30s`, `5m`."""

    enabled: Optional[pulumi.Input[bool]]  # noqa: UP045
    """Whether it scales at all; default true."""
    min_replicas: Optional[pulumi.Input[int]]  # noqa: UP045
    """Replicas at least; 0 naps."""
    max_replicas: Optional[pulumi.Input[int]]  # noqa: UP045
    """Replicas at most."""
    polling_interval: Optional[pulumi.Input[str]]  # noqa: UP045
    """How often the queue is looked at."""
    cooldown_period: Optional[pulumi.Input[str]]  # noqa: UP045
    """How long it stays without work before it naps."""
    queue_length: Optional[pulumi.Input[int]]  # noqa: UP045
    """Envelopes for each replica."""
    advanced: Optional[pulumi.Input[Mapping[str, Any]]]  # noqa: UP045
    """As the AsyncActor has it."""


class Retry(TypedDict):
    """What happens to an envelope whose handler raised."""

    max_attempts: Optional[pulumi.Input[int]]  # noqa: UP045
    """Handler attempts in all."""
    initial_delay: Optional[pulumi.Input[str]]  # noqa: UP045
    """Before the second."""
    max_delay: Optional[pulumi.Input[str]]  # noqa: UP045
    """The longest."""
    multiplier: Optional[pulumi.Input[float]]  # noqa: UP045
    """From one to the next."""
    jitter: Optional[pulumi.Input[float]]  # noqa: UP045
    """Part of a delay that is left to chance, 0 to 1."""
    retry_on: Optional[pulumi.Input[list[pulumi.Input[str]]]]  # noqa: UP045
    """Class names of the only errors that are tried again."""
    non_retryable: Optional[pulumi.Input[list[pulumi.Input[str]]]]  # noqa: UP045
    """Class names of errors that are never tried again."""


class Timeout(TypedDict):
    """Time limits."""

    processing: Optional[pulumi.Input[str]]  # noqa: UP045
    """Of one call."""
    graceful_shutdown: Optional[pulumi.Input[str]]  # noqa: UP045
    """To finish what runs."""


class Batch(TypedDict):
    """A handler that takes a list of payloads."""

    size: pulumi.Input[int]
    """Payloads at most."""
    wait_ms: Optional[pulumi.Input[int]]  # noqa: UP045
    """For a full list."""


class Dedup(TypedDict):
    """Duplicates of finished work are dropped."""

    window: Optional[pulumi.Input[str]]  # noqa: UP045
    """For how long."""


class Delivery(TypedDict):
    """What happens to an envelope whose replica crashed or timed out."""

    max_deliveries: Optional[pulumi.Input[int]]  # noqa: UP045
    """In all, before the dead letter queue."""
    dedup: Optional[pulumi.Input[Dedup]]  # noqa: UP045
    """Off without it."""


class Sidecar(TypedDict):
    """The injected container."""

    image: Optional[pulumi.Input[str]]  # noqa: UP045
    """In place of the mesh's."""
    image_pull_policy: Optional[pulumi.Input[str]]  # noqa: UP045
    """`Always`, `IfNotPresent` or `Never`."""
    resources: Optional[pulumi.Input[Mapping[str, Any]]]  # noqa: UP045
    """As Kubernetes has them."""
    concurrency: Optional[pulumi.Input[int]]  # noqa: UP045
    """Handler calls at once in one replica."""


class AsyncActorArgs(TypedDict):
    """An actor."""

    handler: pulumi.Input[str]
    """`module.func` or `module.Class.method`."""
    image: pulumi.Input[str]
    """Of the container with the handler."""
    transport: Optional[pulumi.Input[str]]  # noqa: UP045
    """The mesh's: `sqs` (default) or `rabbitmq`."""
    namespace: Optional[pulumi.Input[str]]  # noqa: UP045
    """Of the mesh's actors; default `asya`."""
    scaling: Optional[pulumi.Input[Scaling]]  # noqa: UP045
    """Without it one replica runs."""
    retry: Optional[pulumi.Input[Retry]]  # noqa: UP045
    """Without it three attempts are made."""
    timeout: Optional[pulumi.Input[Timeout]]  # noqa: UP045
    """Its time limits."""
    batch: Optional[pulumi.Input[Batch]]  # noqa: UP045
    """Let it take lists of payloads."""
    delivery: Optional[pulumi.Input[Delivery]]  # noqa: UP045
    """What happens when its replica dies."""
    sidecar: Optional[pulumi.Input[Sidecar]]  # noqa: UP045
    """The injected container."""
    resources: Optional[pulumi.Input[Mapping[str, Any]]]  # noqa: UP045
    """Requests and limits of the handler's container."""
    service_account: Optional[pulumi.Input[str]]  # noqa: UP045
    """Of its pods."""
    node_selector: Optional[pulumi.Input[Mapping[str, pulumi.Input[str]]]]  # noqa: UP045
    """Labels of the nodes that its pods run on."""
    tolerations: Optional[pulumi.Input[list[Mapping[str, Any]]]]  # noqa: UP045
    """Of those nodes' taints, as Kubernetes has them."""
    labels: Optional[pulumi.Input[Mapping[str, pulumi.Input[str]]]]  # noqa: UP045
    """Of the AsyncActor."""
    env: Optional[pulumi.Input[Mapping[str, pulumi.Input[str]]]]  # noqa: UP045
    """Variables of the handler's container."""
    secrets: Optional[pulumi.Input[Mapping[str, pulumi.Input[str]]]]  # noqa: UP045
    """The same, kept in a Secret: the AsyncActor and its pods' definition only name it."""
    workload: Optional[Mapping[str, Any]]  # noqa: UP045
    """`spec.workload` whole, in place of `env`, `resources`, `serviceAccount`, `nodeSelector` and `tolerations`."""
    actor: Optional[str]  # noqa: UP045
    """The actor's name, where that of the resource is another one."""
    platform: Optional[str]  # noqa: UP045
    """Output `platform` of the stack that made the mesh, a secret; then `transport`, `namespace`, `queuePrefix`, `queueUrl` and
    `kubeconfig` are its, and on AWS the actor gets a role."""
    sends_to: Optional[list[pulumi.Input[str]]]  # noqa: UP045
    """The only actors that its role lets it send to, besides the end actors. Refused where the mesh gives no roles."""
    policies: Optional[list[pulumi.Input[str]]]  # noqa: UP045
    """What its role allows besides queues, store and key: ARNs of policies. Refused where the mesh gives no roles."""
    statements: Optional[list[Mapping[str, Any]]]  # noqa: UP045
    """The same as statements of IAM, as AWS writes them."""
    queue_prefix: Optional[str]  # noqa: UP045
    """Begins the queue's name; default `asya-`."""
    queue_url: Optional[pulumi.Input[str]]  # noqa: UP045
    """Where the mesh's queues are, for the output of the same name."""
    kubeconfig: Optional[pulumi.Input[str]]  # noqa: UP045
    """Content of a kubeconfig, to wait for the actor with and to see whose it is; a secret. Without it nobody does."""
    adopt: Optional[bool]  # noqa: UP045
    """Take over an AsyncActor that is in the cluster already, instead of refusing it."""
    wait_seconds: Optional[int]  # noqa: UP045
    """How long the actor may take to run or nap; default 300."""


class AsyncActor(pulumi.ComponentResource):
    """One actor of an Asya mesh in a cluster."""

    actor: pulumi.Output[str]
    """Its name, as routes spell it."""
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
        shown = {key: value for key, value in args.items() if key not in _UNSEEN}
        super().__init__(f"{PACKAGE}:index:AsyncActor", name, shown, opts)
        actor = args.get("actor") or name
        target = _target(name, args, self)
        manifest = actor_manifest(actor, target.transport, _actor(args))
        queue = f"{target.queue_prefix}{actor}"
        self.queue_name = pulumi.Output.from_input(queue)
        self.queue_url = target.queue_url(queue)
        self.status = target.actor(name, manifest, self, _rights(args))
        self.actor = pulumi.Output.from_input(actor)
        self.register_outputs(
            {"actor": actor, "queueName": self.queue_name, "queueUrl": self.queue_url, "status": self.status}
        )


class McpToolArgs(TypedDict):
    """A tool."""

    route: list[pulumi.Input[str]]
    """Actors in order: their names, or the output `actor` of each."""
    description: Optional[pulumi.Input[str]]  # noqa: UP045
    """For whoever chooses among tools."""
    parameters: Optional[Any]  # noqa: UP045
    """By name, as the gateway's tool files have them."""
    timeout_seconds: Optional[int]  # noqa: UP045
    """Without it the gateway's own."""
    progress: Optional[bool]  # noqa: UP045
    """Whether answers name the stream."""
    metadata: Optional[pulumi.Input[Mapping[str, pulumi.Input[str]]]]  # noqa: UP045
    """Told with every answer."""
    schedules: Optional[Any]  # noqa: UP045
    """When it is called by itself, a list as the gateway's tool files have it, without `tool`."""
    callback: Optional[Any]  # noqa: UP045
    """Where the ends of its calls are told, as the gateway's tool files have it."""
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
        text = written_tool(
            name,
            list(args["route"]),
            description=args.get("description") or "",
            parameters=args.get("parameters"),
            timeout=None if timeout is None else int(timeout),
            progress=args.get("progress"),
            metadata=args.get("metadata"),
            schedules=args.get("schedules") or [],
            callback=args.get("callback"),
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


_OF_PLATFORM: Final = ("transport", "namespace", "queue_prefix", "queue_url", "kubeconfig")


def _target(name: str, args: AsyncActorArgs, parent: pulumi.Resource) -> KubernetesTarget:
    """Where the actor goes.

    Raises:
        ConfigError: Both the platform and an argument of its own say it.
    """
    adopt, wait_s = bool(args.get("adopt")), _whole(args.get("wait_seconds"), 300)
    platform: Any = args.get("platform")
    if isinstance(platform, pulumi.Output):
        cure = 'in TypeScript (await new pulumi.StackReference(...).getOutputDetails("platform")).secretValue'
        raise ConfigError(f"AsyncActor {name}", f"platform decides what is made: give its value, {cure}")
    if platform is not None:
        both = [to_camel(key) for key in _OF_PLATFORM if args.get(key) is not None]
        if both:
            raise ConfigError(
                f"AsyncActor {name}", f"{', '.join(both)} and platform say the same: leave the former out"
            )
        return told_target(read_platform(platform), ConfigReader(), name, wait_s=wait_s, adopt=adopt, parent=parent)
    kubeconfig = args.get("kubeconfig")
    hidden = pulumi.Output.secret(kubeconfig or "")
    return KubernetesTarget(
        provider=None,
        kubeconfig=hidden,
        context=None,
        namespace=args.get("namespace") or "asya",
        system_namespace="",
        transport=args.get("transport") or "sqs",
        url=pulumi.Output.from_input(args.get("queue_url") or ""),
        queue_prefix=args.get("queue_prefix") or names.QUEUE_PREFIX,
        ownership=None if kubeconfig is None else Ownership(hidden, None, adopt=adopt),
        wait_s=0 if kubeconfig is None else wait_s,
    )


def _rights(args: Mapping[str, Any]) -> Rights:
    sends_to = args.get("sends_to")
    return Rights(
        sends_to=None if sends_to is None else tuple(sends_to),
        policies=(*(args.get("policies") or ()), *(args.get("statements") or ())),
        service_account=args.get("service_account"),
        secrets=args.get("secrets") or {},
    )


def _actor(args: Mapping[str, Any]) -> ActorArgs:
    parts = {key: _whole_numbers(args[key]) for key in PARTS if args.get(key) is not None}
    return ActorArgs(
        image=args["image"],
        handler=args["handler"],
        env=args.get("env") or {},
        resources=args.get("resources"),
        service_account=args.get("service_account"),
        labels=args.get("labels") or {},
        node_selector=args.get("node_selector") or {},
        tolerations=_whole_numbers(args.get("tolerations") or []),
        workload=args.get("workload"),
        **parts,
    )


def _whole_numbers(value: Any) -> Any:  # noqa: ANN401 - arguments as they come
    """Arguments with whole numbers where they are: on the wire all are floats."""
    if isinstance(value, pulumi.Output):
        return value.apply(_whole_numbers)
    if isinstance(value, Mapping):
        return {key: _whole_numbers(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _whole(value: float | None, default: int) -> int:
    return default if value is None else int(value)
