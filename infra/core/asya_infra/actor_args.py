"""What a program may say about an actor, and the manifest that comes of it. Pure.

The classes mirror the operator's model (``asya_manifest.actor``) field by field, a test holds them together; the manifest is
checked by that model before anything is created.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from inspect import isawaitable
from typing import Any, Final, Literal, TypeGuard

import pulumi
from pydantic.alias_generators import to_camel

from asya_infra.errors import ConfigError
from asya_manifest.actor import API_VERSION, KIND, parse_actor
from asya_manifest.errors import InvalidActor
from asya_manifest.labels import ANNOTATION_SOURCE
from asya_manifest.pod import RUNTIME_CONTAINER

Seconds = float | str
"""A number of seconds, or Go's notation (``5m``)."""
UNKNOWN: Final = "not-known-yet"
"""Stands for an output's value while a manifest is checked."""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How many replicas, by the depth of the actor's queue."""

    enabled: pulumi.Input[bool] = True
    min_replicas: pulumi.Input[int] | None = None
    max_replicas: pulumi.Input[int] | None = None
    polling_interval: pulumi.Input[Seconds] | None = None
    cooldown_period: pulumi.Input[Seconds] | None = None
    queue_length: pulumi.Input[int] | None = None
    """Envelopes for each replica."""
    advanced: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Retry:
    """What happens to an envelope whose handler raised."""

    max_attempts: pulumi.Input[int] | None = None
    initial_delay: pulumi.Input[Seconds] | None = None
    max_delay: pulumi.Input[Seconds] | None = None
    multiplier: pulumi.Input[float] | None = None
    jitter: pulumi.Input[float] | None = None
    retry_on: Sequence[str] | None = None
    non_retryable: Sequence[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Timeout:
    """Time limits."""

    processing: pulumi.Input[Seconds] | None = None
    graceful_shutdown: pulumi.Input[Seconds] | None = None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A handler that takes a list of payloads."""

    size: pulumi.Input[int]
    wait_ms: pulumi.Input[int] | None = None


@dataclass(frozen=True, kw_only=True)
class Dedup:
    """Duplicates of finished work are dropped."""

    window: pulumi.Input[Seconds] | None = None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What happens to an envelope whose replica crashed or timed out."""

    max_deliveries: pulumi.Input[int] | None = None
    dedup: Dedup | None = None


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """The injected sidecar."""

    image: pulumi.Input[str] | None = None
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    resources: Mapping[str, Any] | None = None
    env: Sequence[Mapping[str, Any]] | None = None
    concurrency: pulumi.Input[int] | None = None


@dataclass(frozen=True, kw_only=True)
class ActorArgs:
    """An actor, in the short form or with a workload of its own.

    Attributes:
        image: Of the container with the handler.
        handler: ``module.func`` or ``module.Class.method``.
        env: Variables of that container.
        resources: Its requests and limits, as Kubernetes has them.
        service_account: Of its pods, where they need a role of their own.
        node_selector: Labels of the nodes that they run on.
        tolerations: Of those nodes' taints, as Kubernetes has them.
        source: Folder of the handler's code for the local mesh.
        workload: ``spec.workload`` whole, in place of the above but image and handler.
        labels: Of the AsyncActor.
    """

    image: pulumi.Input[str] | None = None
    handler: pulumi.Input[str] | None = None
    env: Mapping[str, pulumi.Input[str]] | pulumi.Output[Mapping[str, Any]] = field(default_factory=dict)
    resources: Mapping[str, Any] | pulumi.Output[Mapping[str, Any]] | None = None
    service_account: pulumi.Input[str] | None = None
    node_selector: Mapping[str, pulumi.Input[str]] | pulumi.Output[Mapping[str, str]] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] | pulumi.Output[Sequence[Mapping[str, Any]]] = ()
    source: str | None = None
    scaling: Scaling | Mapping[str, Any] | None = None
    retry: Retry | Mapping[str, Any] | None = None
    timeout: Timeout | Mapping[str, Any] | None = None
    batch: Batch | Mapping[str, Any] | None = None
    delivery: Delivery | Mapping[str, Any] | None = None
    sidecar: Sidecar | Mapping[str, Any] | None = None
    workload: Mapping[str, Any] | None = None
    labels: Mapping[str, pulumi.Input[str]] | pulumi.Output[Mapping[str, str]] = field(default_factory=dict)


def actor_manifest(name: str, transport: pulumi.Input[str], args: ActorArgs) -> dict[str, Any]:
    """Write the AsyncActor; only what was said is in it, defaults are the operator's.

    Raises:
        ConfigError: The operator would refuse it; every problem with its path.
    """
    meta: dict[str, Any] = {"name": name}
    if args.labels:
        meta["labels"] = args.labels if _is_late(args.labels) else dict(args.labels)
    if args.source is not None:
        meta["annotations"] = {ANNOTATION_SOURCE: args.source}
    spec: dict[str, Any] = {"transport": transport}
    for key in ("image", "handler"):
        value = getattr(args, key)
        if value is not None:
            spec[key] = pulumi.Output.from_input(value) if isawaitable(value) else value
    for key, kind in PARTS.items():
        part = getattr(args, key)
        if part is not None:
            spec[key] = camel(as_part(f"AsyncActor {name}", key, kind, part))
    workload = _workload(args)
    if workload is not None:
        spec["workload"] = workload
    manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "spec": spec}
    check_manifest(manifest)
    return manifest


PARTS: Final[Mapping[str, type[Any]]] = {
    "scaling": Scaling,
    "retry": Retry,
    "timeout": Timeout,
    "batch": Batch,
    "delivery": Delivery,
    "sidecar": Sidecar,
}


def as_part(whose: str, key: str, kind: type[Any], given: Any) -> Any:  # noqa: ANN401 - one of the dataclasses, or a dict
    """A part as its class; a dict of the same names is as good.

    Raises:
        ConfigError: A name is not the class's, or the whole of it is known only later.
    """
    if isinstance(given, pulumi.Output):
        raise ConfigError(
            whose, f"{key} decides the manifest: give its values, which may be outputs, and not one of all"
        )
    if not isinstance(given, Mapping):
        return given
    known = {entry.name for entry in fields(kind)}
    for name in given:
        if name not in known:
            raise ConfigError(whose, f"{key} has no {name!r}; it has {', '.join(sorted(known))}")
    values = dict(given)
    if isinstance(values.get("dedup"), Mapping):
        values["dedup"] = as_part(whose, "dedup", Dedup, values["dedup"])
    try:
        return kind(**values)
    except TypeError as exc:
        raise ConfigError(whose, f"{key}: {str(exc).partition('() ')[2]}") from None


def check_manifest(manifest: Mapping[str, Any]) -> None:
    """Refuse what the operator would.

    Raises:
        ConfigError: With every problem and its path.
    """
    try:
        parse_actor(_checkable(manifest))
    except InvalidActor as exc:
        raise ConfigError(f"AsyncActor {manifest['metadata']['name']}", str(exc)) from None


def camel(part: Any) -> dict[str, Any]:  # noqa: ANN401 - any of the dataclasses above
    """A part as the manifest has it: camelCase, without what was left unsaid."""
    found: dict[str, Any] = {}
    for entry in fields(part):
        value = getattr(part, entry.name)
        if value is None:
            continue
        if isinstance(value, Dedup):
            value = camel(value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            value = list(value)
        found[to_camel(entry.name)] = value
    return found


def _workload(args: ActorArgs) -> dict[str, Any] | None:
    placed = {"nodeSelector": args.node_selector, "tolerations": args.tolerations}
    placed = {key: value for key, value in placed.items() if _is_late(value) or value}
    said = args.env or args.resources or args.service_account is not None or placed
    if args.workload is not None:
        if said:
            what = "env, resources, service_account, node_selector and tolerations"
            raise ConfigError("workload", f"{what} belong into the workload's own template")
        return dict(args.workload)
    if not said:
        return None
    container: dict[str, Any] = {"name": RUNTIME_CONTAINER}
    if isinstance(args.env, pulumi.Output):
        container["env"] = args.env.apply(_variables)
    elif args.env:
        container["env"] = _variables(args.env)
    if isinstance(args.resources, pulumi.Output):
        container["resources"] = args.resources
    elif args.resources:
        container["resources"] = dict(args.resources)
        strange = args.resources.keys() - {"requests", "limits", "claims"}
        if strange:
            raise ConfigError("resources", f"has no {', '.join(sorted(strange))}; it has requests, limits and claims")
    pod: dict[str, Any] = {"containers": [container]}
    if args.service_account is not None:
        pod["serviceAccountName"] = args.service_account
    pod |= {key: list(value) if isinstance(value, list | tuple) else value for key, value in placed.items()}
    return {"template": {"spec": pod}}


def _variables(env: Mapping[str, pulumi.Input[str]]) -> list[dict[str, Any]]:
    return [{"name": key, "value": value} for key, value in env.items()]


def _is_late(value: object) -> TypeGuard[pulumi.Output[Any]]:
    return isinstance(value, pulumi.Output)


def _checkable(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with something in the place of what is known only later: the API server judges that."""
    spec = dict(manifest["spec"])
    for key in PARTS.keys() & spec.keys():
        part = {name: value for name, value in spec[key].items() if not isinstance(value, pulumi.Output)}
        spec[key] = {"size": 1, **part} if key == "batch" else part
    if _is_late(spec.get("handler")):
        spec["handler"] = f"{UNKNOWN}.process".replace("-", "_")
    found: dict[str, Any] = _known({**manifest, "spec": spec})
    return found


_LATE_PARTS: Final[Mapping[str, Any]] = {
    "env": [],
    "labels": {},
    "resources": {},
    "nodeSelector": {},
    "tolerations": [],
}
"""What stands for a whole that is known only later."""


def _known(value: Any) -> Any:  # noqa: ANN401 - a manifest's parts
    if isinstance(value, pulumi.Output):
        return UNKNOWN
    if isinstance(value, Mapping):
        return {
            key: _LATE_PARTS[key] if key in _LATE_PARTS and _is_late(item) else _known(item)
            for key, item in value.items()
        }
    return [_known(item) for item in value] if isinstance(value, list | tuple) else value
