"""The AsyncActor: what a user declares, as checked values. Pure: no I/O, no clock, no environment.

Shape of ``asya.sh/v1alpha1`` as Asya 0.1.1 reads it, with our additions: ``spec.handler`` and ``spec.image`` (the
short form without a pod template), ``spec.retry``, ``spec.delivery``, ``spec.sidecar.concurrency``, durations in words
(``5m``), and ``workload.type`` as another name of ``workload.kind``. As the API server does, an explicit null counts as
absent; unlike it, an unknown field is an error: a field that is dropped in silence is a setting lost.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from asya_manifest.errors import InvalidActor, Problem
from asya_manifest.pod import (
    RESERVED_VOLUMES,
    RUNTIME_CONTAINER,
    EnvVar,
    PodTemplate,
    WorkloadKind,
    check_template,
)
from asya_manifest.problems import RuleBroken, explain
from asya_protocol import names
from asya_protocol.durations import parse_duration

API_VERSION: Final = "asya.sh/v1alpha1"
KIND: Final = "AsyncActor"
ANNOTATION_SOURCE: Final = "asya.sh/source"
"""Annotation: folder of the handler's code for the local mesh, relative to the manifest's file."""
NAME_PATTERN: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""RFC 1123 label: the name becomes a Deployment, a label's value and, with a prefix, a queue's name."""


def _read_duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[
    float,
    BeforeValidator(_read_duration),
    Field(ge=0, allow_inf_nan=False, json_schema_extra={"format": "duration"}),
]
"""Seconds, written as a number or in Go's notation (``5m``)."""
PositiveDuration = Annotated[
    float,
    BeforeValidator(_read_duration),
    Field(gt=0, allow_inf_nan=False, json_schema_extra={"format": "duration"}),
]


class SpecPart(BaseModel):
    """A piece of the spec: camelCase names, unknown fields refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, strict=True)


class Sidecar(SpecPart):
    """The injected sidecar."""

    image: str | None = None
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    resources: Mapping[str, Any] | None = None
    env: list[EnvVar] = Field(default_factory=list)
    concurrency: int = Field(default=1, ge=1, le=1000)
    """Handler calls in flight in one replica."""


class Timeout(SpecPart):
    """Time limits, in seconds."""

    processing: Duration = 300.0
    """One handler call; 0 leaves the sidecar's own default."""
    graceful_shutdown: Duration = 30.0
    """From SIGTERM to SIGKILL."""


class AdvancedScaling(SpecPart):
    """KEDA's scaling modifiers, handed on as they are."""

    restore_to_original_replica_count: bool | None = None
    formula: str | None = None
    target: str | None = None
    activation_target: str | None = None
    metric_type: Literal["AverageValue", "Value", "Utilization"] | None = None


class Scaling(SpecPart):
    """How many replicas, by the depth of the actor's queue."""

    enabled: bool = False
    min_replicas: int = Field(default=0, ge=0)
    max_replicas: int = Field(default=50, ge=1)
    polling_interval: PositiveDuration = 10.0
    cooldown_period: Duration = 60.0
    queue_length: int = Field(default=5, ge=1)
    advanced: AdvancedScaling | None = None

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise RuleBroken(
                [
                    Problem(
                        "minReplicas",
                        f"minReplicas ({self.min_replicas}) cannot be greater than maxReplicas ({self.max_replicas})",
                    )
                ]
            )
        return self


class Retry(SpecPart):
    """What happens to an envelope whose handler raised."""

    max_attempts: int = Field(default=3, ge=1, le=1000)
    """Handler attempts in all, the first one included."""
    initial_delay: Duration = 1.0
    max_delay: Annotated[Duration, Field(le=900)] = 300.0
    """At most 15 min: the longest delay that SQS keeps (DelaySeconds), so that a promise holds on every transport."""
    multiplier: float = Field(default=2.0, ge=1, le=100, allow_inf_nan=False)
    jitter: float = Field(default=0.2, ge=0, le=1)
    """Share of the delay by which it varies at random."""
    retry_on: list[str] = Field(default_factory=list)
    """Class names (matched against the error's MRO) that alone are retried; empty: all."""
    non_retryable: list[str] = Field(default_factory=list)
    """Class names that are never retried."""

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        problems = [
            Problem(f"{field}[{index}]", f"{name!r} is not a class name")
            for field, listed in (("retryOn", self.retry_on), ("nonRetryable", self.non_retryable))
            for index, name in enumerate(listed)
            if not all(part.isidentifier() for part in name.split("."))
        ]
        if problems:
            raise RuleBroken(problems)
        return self


class Dedup(SpecPart):
    """Duplicates of what this actor has finished are dropped."""

    window: PositiveDuration = 3600.0
    """For how long it is remembered."""


class Delivery(SpecPart):
    """What happens to an envelope whose replica crashed or timed out."""

    max_deliveries: int = Field(default=names.MAX_DELIVERIES, ge=1, le=1000)
    dedup: Dedup | None = None


def _refuse_kind(value: object) -> object:
    if value not in ("Deployment", "StatefulSet"):
        raise ValueError(f"unsupported workload kind: {value} (only Deployment and StatefulSet are supported)")
    return value


class Batch(SpecPart):
    """A handler that takes a list of payloads and returns a list of as many results."""

    size: int = Field(ge=1, le=10_000)
    """Most payloads in one call."""
    wait_ms: int = Field(default=50, ge=0, le=60_000)
    """How long to wait for a batch to fill, in milliseconds."""


class Workload(SpecPart):
    """What runs the handler."""

    kind: Annotated[WorkloadKind, BeforeValidator(_refuse_kind)] = Field(
        default="Deployment", validation_alias=AliasChoices("kind", "type")
    )
    replicas: int = Field(default=1, ge=0)
    """Fixed count while scaling is off."""
    python_executable: str = Field(default="python3", min_length=1)
    template: PodTemplate
    volume_claim_templates: list[Mapping[str, Any]] = Field(default_factory=list)
    """PersistentVolumeClaims of each replica of a StatefulSet, as Kubernetes has them."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_two_kinds(cls, data: Any) -> Any:  # noqa: ANN401 - raw YAML before validation
        if not isinstance(data, Mapping) or "kind" not in data or "type" not in data:
            return data
        if data["kind"] != data["type"]:
            raise RuleBroken([Problem("type", "workload.type is another name of workload.kind; set one of them")])
        # Kubernetes adds the default of `kind` beside a `type` that says the same.
        return {name: value for name, value in data.items() if name != "type"}

    @model_validator(mode="after")
    def _check_template(self) -> Self:
        problems = list(_check_claims(self.volume_claim_templates, self.kind))
        claims = {str(_claim_name(claim)) for claim in self.volume_claim_templates}
        problems += [Problem(f"template.{found.path}", found.text) for found in check_template(self.template, claims)]
        if problems:
            raise RuleBroken(problems)
        return self


def _claim_name(claim: Mapping[str, Any]) -> object:
    metadata = claim.get("metadata")
    return metadata.get("name") if isinstance(metadata, Mapping) else None


def _check_claims(claims: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Problem]:
    if claims and kind != "StatefulSet":
        yield Problem("volumeClaimTemplates", "only a StatefulSet has claims of its own: set kind to it")
    for index, claim in enumerate(claims):
        name, where = _claim_name(claim), f"volumeClaimTemplates[{index}].metadata.name"
        if not isinstance(name, str) or not name:
            yield Problem(where, "required field is missing")
        elif name in RESERVED_VOLUMES:
            yield Problem(where, f"volume name {name!r} is reserved for the injected volumes")


class ActorSpec(SpecPart):
    """An actor's spec; after validation ``workload`` is always there, the short form is expanded into it."""

    transport: str = Field(min_length=1)
    handler: str | None = Field(default=None, min_length=1)
    """Short form: ``module.func`` or ``module.Class.method``."""
    image: str | None = Field(default=None, min_length=1)
    """Short form: image of the runtime container."""
    sidecar: Sidecar = Field(default_factory=Sidecar)
    timeout: Timeout = Field(default_factory=Timeout)
    scaling: Scaling = Field(default_factory=Scaling)
    retry: Retry = Field(default_factory=Retry)
    delivery: Delivery = Field(default_factory=Delivery)
    batch: Batch | None = None
    workload: Workload

    @model_validator(mode="before")
    @classmethod
    def _expand_short_form(cls, data: Any) -> Any:  # noqa: ANN401 - raw YAML before validation
        if not isinstance(data, Mapping) or ("handler" not in data and "image" not in data):
            return data
        return {**data, "workload": _with_short_form(data)}


class Metadata(BaseModel):
    """Kubernetes object metadata; only what we read is checked."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    namespace: str | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if not NAME_PATTERN.fullmatch(self.name):
            text = (
                f"{self.name!r} must be lower case letters, digits and '-', at most 63, starting and ending with no '-'"
            )
            raise RuleBroken([Problem("name", text)])
        if self.name.endswith(names.DLQ_SUFFIX):
            text = f"{self.name!r} cannot end with {names.DLQ_SUFFIX!r}: that is how dead letter queues are named"
            raise RuleBroken([Problem("name", text)])
        return self


class AsyncActor(SpecPart):
    """One actor as declared."""

    api_version: Literal["asya.sh/v1alpha1"]
    kind: Literal["AsyncActor"]
    metadata: Metadata
    spec: ActorSpec
    status: Mapping[str, Any] | None = None
    """Written by the operator; ignored here."""

    @property
    def name(self) -> str:
        """The actor's name, as routes spell it."""
        return self.metadata.name

    @property
    def at_once(self) -> int:
        """Envelopes that one replica's handlers work on at the same time."""
        return self.spec.sidecar.concurrency * (self.spec.batch.size if self.spec.batch else 1)

    @property
    def is_end_actor(self) -> bool:
        """Whether sidecars send to it by themselves and it never forwards."""
        return self.name in names.RESERVED_ACTORS


def parse_actor(document: Mapping[str, Any]) -> AsyncActor:
    """Check one AsyncActor object.

    Args:
        document: As YAML or the API server gives it: ``{"apiVersion", "kind", "metadata", "spec"}``.

    Raises:
        InvalidActor: It breaks a rule; every problem found is listed with its path.
    """
    try:
        return AsyncActor.model_validate(_without_nulls(document))
    except ValidationError as exc:
        metadata = document.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        raise InvalidActor(str(name or "?"), explain(AsyncActor, exc)) from None


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 - raw YAML before validation
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _with_short_form(spec: Mapping[str, Any]) -> Any:  # noqa: ANN401 - raw YAML before validation
    """Write ``spec.handler`` and ``spec.image`` into the runtime container, adding it where no workload is given."""
    workload = spec.get("workload", {})
    template = workload.get("template", {}) if isinstance(workload, Mapping) else None
    pod = template.get("spec", {}) if isinstance(template, Mapping) else None
    containers = pod.get("containers", []) if isinstance(pod, Mapping) else None
    if not isinstance(containers, list):
        return workload  # of a wrong shape: left as it is for validation to name
    if not any(
        isinstance(container, Mapping) and container.get("name") == RUNTIME_CONTAINER for container in containers
    ):
        containers = [*containers, {"name": RUNTIME_CONTAINER}]
    merged = [_with_handler(container, spec) for container in containers]
    return {**workload, "template": {**(template or {}), "spec": {**(pod or {}), "containers": merged}}}


def _with_handler(container: Any, spec: Mapping[str, Any]) -> Any:  # noqa: ANN401 - raw YAML before validation
    if not isinstance(container, Mapping) or container.get("name") != RUNTIME_CONTAINER:
        return container
    result = dict(container)
    image, handler = spec.get("image"), spec.get("handler")
    if image is not None:
        if result.get("image", image) != image:
            raise RuleBroken(
                [Problem("image", f"the container '{RUNTIME_CONTAINER}' has an image too; set one of them")]
            )
        result["image"] = image
    env = result.get("env") or []
    if handler is not None and isinstance(env, list):
        if any(isinstance(entry, Mapping) and entry.get("name") == "ASYA_HANDLER" for entry in env):
            raise RuleBroken([Problem("handler", "the container sets ASYA_HANDLER too; set one of them")])
        result["env"] = [*env, {"name": "ASYA_HANDLER", "value": handler}]
    return result
