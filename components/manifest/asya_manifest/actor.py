"""The AsyncActor: what a user declares, as checked values. Pure: no I/O, no clock, no environment.

Shape of ``asya.sh/v1alpha1`` as Asya 0.1.1 reads it, with our additions: ``spec.handler``, ``spec.image`` and ``spec.env`` (the
short form without a pod template), ``spec.retry``, ``spec.delivery``, ``spec.sidecar.concurrency``, durations in words
(``5m``), and ``workload.type`` as another name of ``workload.kind``. As the API server does, an explicit null counts as
absent, except in the pod template; unlike it, an unknown field is an error: a field that is dropped in silence is a setting
lost.
"""

import copy
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from asya_manifest.errors import InvalidActor, Problem
from asya_manifest.labels import LABEL_ACTOR, LABEL_WORKLOAD
from asya_manifest.limit import LimitUse
from asya_manifest.pod import RUNTIME_CONTAINER, PodTemplate, WorkloadKind
from asya_manifest.pod_rules import (
    LABEL_PATTERN,
    check_claims,
    check_env,
    check_metadata,
    check_ports,
    check_socket_dir,
    check_stateful_set,
    check_template,
    claim_name,
    metrics_port,
    no_label,
)
from asya_manifest.policies import Accepts, Batch, Delivery, Retry, Scaling, Sidecar, Timeout
from asya_manifest.problems import RuleBroken, clipped, explain, without_nulls
from asya_manifest.spec_part import SpecPart
from asya_protocol import names

API_VERSION: Final = "asya.sh/v1alpha1"
KIND: Final = "AsyncActor"
OPERATOR_CLASS: Final = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"


def _refuse_kind(value: object) -> object:
    if value not in ("Deployment", "StatefulSet"):
        raise ValueError(f"unsupported workload kind: {clipped(value)} (only Deployment and StatefulSet are supported)")
    return value


class Workload(SpecPart):
    """What runs the handler."""

    kind: Annotated[WorkloadKind, BeforeValidator(_refuse_kind)] = Field(
        default="Deployment", validation_alias=AliasChoices("kind", "type")
    )
    """`Deployment` or `StatefulSet`; `type` is another name of it."""
    replicas: int = Field(default=1, ge=0)
    """Fixed count while scaling is off."""
    python_executable: str = Field(default="python3", min_length=1)
    """The interpreter of the image; a laptop without it takes another and says so."""
    template: PodTemplate
    """The pod, as Kubernetes has it; its container `asya-runtime` runs the handler."""
    volume_claim_templates: list[Mapping[str, Any]] = Field(default_factory=list)
    """PersistentVolumeClaims of each replica of a StatefulSet, as Kubernetes has them."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_two_kinds(cls, data: Any) -> Any:  # noqa: ANN401 - raw YAML before validation
        if not isinstance(data, Mapping) or "kind" not in data or "type" not in data:
            return data
        if data["kind"] != data["type"]:
            raise RuleBroken(Problem("type", "workload.type is another name of workload.kind; set one of them"))
        # Kubernetes adds the default of `kind` beside a `type` that says the same.
        return {name: value for name, value in data.items() if name != "type"}

    @model_validator(mode="after")
    def _check_template(self) -> Self:
        problems = list(check_claims(self.volume_claim_templates, self.kind))
        claims = [name for claim in self.volume_claim_templates if (name := claim_name(claim))]
        problems += [Problem(f"template.{found.path}", found.text) for found in check_template(self.template, claims)]
        if problems:
            raise RuleBroken(*problems)
        return self


class ActorSpec(SpecPart):
    """An actor's spec; after validation ``workload`` is always there, the short form is expanded into it."""

    transport: str = Field(min_length=1)
    """The broker, by the name that the operator knows: `sqs`, `rabbitmq`; a local mesh goes by its own."""
    operator_class: str | None = Field(default=None, pattern=OPERATOR_CLASS, max_length=40)
    """Which of several operators of a cluster keeps this actor; without one the operator that has no class."""
    handler: str | None = Field(default=None, min_length=1)
    """Short form: ``module.func`` or ``module.Class.method``."""
    image: str | None = Field(default=None, min_length=1)
    """Short form: image of the runtime container."""
    env: Mapping[str, str] = Field(default_factory=dict)
    """Short form: environment of the handler, a line for each variable; references to others are the container's."""
    sidecar: Sidecar = Field(default_factory=Sidecar)
    """The container that talks to the broker."""
    timeout: Timeout = Field(default_factory=Timeout)
    """Time limits."""
    scaling: Scaling = Field(default_factory=Scaling)
    """How many replicas."""
    retry: Retry = Field(default_factory=Retry)
    """What an exception of the handler means."""
    delivery: Delivery = Field(default_factory=Delivery)
    """What a crash means."""
    batch: Batch | None = None
    """One call for several envelopes; off unless given."""
    stream: bool | None = None
    """What a generator yields are pieces of a stream, past the queues to whoever reads; what it returns is the result."""
    compat: Literal["asya-1"] | None = None
    """Whose rules the handler was written for: with `asya-1`, the original's 1.x, a list that it returns is one payload."""
    limits: list[LimitUse] = Field(default_factory=list, max_length=10)
    """What every call of the handler is asked for, each once."""
    accepts: Accepts | None = None
    """What envelopes may bring here: for actors to whose queues others than the mesh may write; any, unless given."""
    workload: Workload
    """What runs the handler; the short form stands for it."""

    @model_validator(mode="before")
    @classmethod
    def _expand_short_form(cls, data: Any) -> Any:  # noqa: ANN401 - raw YAML before validation
        if not isinstance(data, Mapping) or not {"handler", "image", "env"} & data.keys():
            return data
        return {**data, "workload": _with_short_form(data)}

    @model_validator(mode="after")
    def _refuse_stream_of_batches(self) -> Self:
        if self.stream and self.batch is not None:
            raise RuleBroken(
                Problem("stream", "a handler that takes batches returns lists and streams nothing; set one of them")
            )
        return self


class Metadata(BaseModel):
    """Kubernetes object metadata; only what we read is checked."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    namespace: str | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if not LABEL_PATTERN.fullmatch(self.name):
            raise RuleBroken(Problem("name", no_label(self.name)))
        if self.name.endswith(names.DLQ_SUFFIX):
            text = f"{self.name!r} cannot end with {names.DLQ_SUFFIX!r}: that is how dead letter queues are named"
            raise RuleBroken(Problem("name", text))
        return self


class AsyncActor(SpecPart):
    """One actor as declared."""

    api_version: Literal["asya.sh/v1alpha1"]
    kind: Literal["AsyncActor"]
    metadata: Metadata
    spec: ActorSpec
    status: Mapping[str, Any] | None = None
    """Written by the operator; ignored here."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        """Check what several sections have to agree about."""
        workload, timeout, at = self.spec.workload, self.spec.timeout, "spec.workload.template"
        labels = {LABEL_ACTOR: self.name, LABEL_WORKLOAD: workload.kind.lower()}
        found = [
            *check_ports(workload.template, metrics_port(self.spec.sidecar.env)),
            *check_metadata(workload.template, labels),
        ]
        grace_s = workload.template.spec.termination_grace_period_seconds
        if grace_s is not None and timeout.graceful_shutdown not in (grace_s, Timeout().graceful_shutdown):
            found.append(
                Problem(
                    "spec.terminationGracePeriodSeconds", "spec.timeout.gracefulShutdown says it too; set one of them"
                )
            )
        problems = [Problem(f"{at}.{problem.path}", problem.text) for problem in found]
        if workload.kind == "StatefulSet":
            problems += check_stateful_set(self.name)
        used = [use.name for use in self.spec.limits]
        problems += [
            Problem(f"spec.limits[{place}].name", f"{name!r} is named before")
            for place, name in enumerate(used)
            if name in used[:place]
        ]
        if used and self.is_end_actor:
            problems.append(Problem("spec.limits", "an end actor has none: what has ended must not wait"))
        problems += self._check_accepts()
        problems += check_env(self.spec.sidecar.env, "spec.sidecar.env")
        problems += check_socket_dir(self.spec.sidecar.env, "spec.sidecar.env")
        if problems:
            raise RuleBroken(*problems)
        return self

    def _check_accepts(self) -> list[Problem]:
        """An end actor takes what all others send; a route that this actor is not in never leads here."""
        accepts, at = self.spec.accepts, "spec.accepts"
        if accepts is None:
            return []
        if self.is_end_actor:
            return [Problem(at, "an end actor has none: it takes what every actor sends")]
        return [
            Problem(f"{at}.routes[{place}]", f"{self.name!r} is not in it, so it never leads here")
            for place, route in enumerate(accepts.routes)
            if self.name not in route
        ]

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
        return AsyncActor.model_validate(_cleaned(document))
    except ValidationError as exc:
        metadata = document.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        raise InvalidActor(str(name or "?"), explain(AsyncActor, exc)) from None


def _cleaned(document: Mapping[str, Any]) -> Any:  # noqa: ANN401 - raw YAML before validation
    """The document without nulls, but for those of its pod template, which unset what the mesh would set."""
    cleaned = without_nulls(document)
    found: Any = document
    for name in ("spec", "workload", "template"):
        found = found.get(name) if isinstance(found, Mapping) else None
    if found is not None:
        cleaned["spec"]["workload"]["template"] = found
    return cleaned


def _with_short_form(spec: Mapping[str, Any]) -> Any:  # noqa: ANN401 - raw YAML before validation
    """Write ``spec.handler``, ``spec.image`` and ``spec.env`` into the runtime container, adding it where there is none."""
    workload, image, handler = copy.deepcopy(spec.get("workload", {})), spec.get("image"), spec.get("handler")
    try:
        containers = _below(_below(_below(workload, "template", {}), "spec", {}), "containers", [])
        runtime = next((each for each in containers if each.get("name") == RUNTIME_CONTAINER), None)
        if runtime is None:
            containers.append(runtime := {"name": RUNTIME_CONTAINER})
        if image is not None and _below(runtime, "image", image) != image:
            text = f"the container '{RUNTIME_CONTAINER}' has an image too; set one of them"
            raise RuleBroken(Problem("image", text))
        env = _below(runtime, "env", [])
        if handler is not None and any(entry.get("name") == "ASYA_HANDLER" for entry in env):
            raise RuleBroken(Problem("handler", "the container sets ASYA_HANDLER too; set one of them"))
        for name, value in (spec.get("env") or {}).items():
            if any(entry.get("name") == name for entry in env):
                raise RuleBroken(Problem(f"env.{name}", "the container sets it too; set one of them"))
            if isinstance(value, str):
                env.append({"name": name, "value": value})
        if handler is not None:
            env.append({"name": "ASYA_HANDLER", "value": handler})
    except (AttributeError, TypeError):
        pass  # of a wrong shape: left as it is for validation to name
    return workload


def _below(owner: Any, name: str, default: Any) -> Any:  # noqa: ANN401 - raw YAML before validation
    if owner.get(name) is None:
        owner[name] = default
    return owner[name]
