"""What a program may say about an actor, and the manifest that comes of it. Pure.

The classes mirror the operator's model (``asya_manifest.actor``) field by field, a test holds them together; the manifest is
checked by that model before anything is created.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

import pulumi
from pydantic.alias_generators import to_camel

from asya_infra.errors import ConfigError
from asya_manifest.actor import ANNOTATION_SOURCE, API_VERSION, KIND, parse_actor
from asya_manifest.errors import InvalidActor

Seconds = float | str
"""A number of seconds, or Go's notation (``5m``)."""
UNKNOWN: Final = "not-known-yet"
"""Stands for an output's value while a manifest is checked."""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How many replicas, by the depth of the actor's queue."""

    enabled: bool = True
    min_replicas: int | None = None
    max_replicas: int | None = None
    polling_interval: Seconds | None = None
    cooldown_period: Seconds | None = None
    queue_length: int | None = None
    """Envelopes for each replica."""
    advanced: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Retry:
    """What happens to an envelope whose handler raised."""

    max_attempts: int | None = None
    initial_delay: Seconds | None = None
    max_delay: Seconds | None = None
    multiplier: float | None = None
    jitter: float | None = None
    retry_on: Sequence[str] | None = None
    non_retryable: Sequence[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Timeout:
    """Time limits."""

    processing: Seconds | None = None
    graceful_shutdown: Seconds | None = None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A handler that takes a list of payloads."""

    size: int
    wait_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class Dedup:
    """Duplicates of finished work are dropped."""

    window: Seconds | None = None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What happens to an envelope whose replica crashed or timed out."""

    max_deliveries: int | None = None
    dedup: Dedup | None = None


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """The injected sidecar."""

    image: pulumi.Input[str] | None = None
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    resources: Mapping[str, Any] | None = None
    env: Sequence[Mapping[str, Any]] | None = None
    concurrency: int | None = None


@dataclass(frozen=True, kw_only=True)
class ActorArgs:
    """An actor, in the short form or with a workload of its own.

    Attributes:
        image: Of the container with the handler.
        handler: ``module.func`` or ``module.Class.method``.
        env: Variables of that container.
        resources: Its requests and limits, as Kubernetes has them.
        service_account: Of its pods, where they need a role of their own.
        source: Folder of the handler's code for the local mesh.
        workload: ``spec.workload`` whole, in place of the above but image and handler.
        labels: Of the AsyncActor.
    """

    image: pulumi.Input[str] | None = None
    handler: str | None = None
    env: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    resources: Mapping[str, Any] | None = None
    service_account: pulumi.Input[str] | None = None
    source: str | None = None
    scaling: Scaling | None = None
    retry: Retry | None = None
    timeout: Timeout | None = None
    batch: Batch | None = None
    delivery: Delivery | None = None
    sidecar: Sidecar | None = None
    workload: Mapping[str, Any] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def actor_manifest(name: str, transport: str, args: ActorArgs) -> dict[str, Any]:
    """Write the AsyncActor; only what was said is in it, defaults are the operator's.

    Raises:
        ConfigError: The operator would refuse it; every problem with its path.
    """
    meta: dict[str, Any] = {"name": name}
    if args.labels:
        meta["labels"] = dict(args.labels)
    if args.source is not None:
        meta["annotations"] = {ANNOTATION_SOURCE: args.source}
    spec: dict[str, Any] = {"transport": transport}
    for key in ("image", "handler"):
        if getattr(args, key) is not None:
            spec[key] = getattr(args, key)
    for key in ("scaling", "retry", "timeout", "batch", "delivery", "sidecar"):
        part = getattr(args, key)
        if part is not None:
            spec[key] = camel(part)
    workload = _workload(args)
    if workload is not None:
        spec["workload"] = workload
    manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "spec": spec}
    check_manifest(manifest)
    return manifest


def check_manifest(manifest: Mapping[str, Any]) -> None:
    """Refuse what the operator would.

    Raises:
        ConfigError: With every problem and its path.
    """
    try:
        parse_actor(_known(manifest))
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
    if args.workload is not None:
        if args.env or args.resources or args.service_account:
            raise ConfigError("workload", "env, resources and service_account belong into the workload's own template")
        return dict(args.workload)
    if not (args.env or args.resources or args.service_account):
        return None
    container: dict[str, Any] = {"name": "asya-runtime"}
    if args.env:
        container["env"] = [{"name": key, "value": value} for key, value in args.env.items()]
    if args.resources:
        container["resources"] = dict(args.resources)
    pod: dict[str, Any] = {"containers": [container]}
    if args.service_account:
        pod["serviceAccountName"] = args.service_account
    return {"template": {"spec": pod}}


def _known(value: Any) -> Any:  # noqa: ANN401 - a manifest's parts
    if isinstance(value, pulumi.Output):
        return UNKNOWN
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items()}
    return [_known(item) for item in value] if isinstance(value, list | tuple) else value
