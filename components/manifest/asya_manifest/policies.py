"""The sections of an actor's spec beside its workload: sidecar, time limits, scaling, retries, deliveries, batches. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from asya_manifest.errors import Problem, quoted
from asya_manifest.pod import EnvVar
from asya_manifest.problems import RuleBroken
from asya_manifest.spec_part import SpecPart
from asya_protocol import names
from asya_protocol.acceptance import CONTROL
from asya_protocol.durations import parse_duration

TRIGGERS: Final = ("queueLength", "total", "ready")
"""What a user's own formula may count: all envelopes by the name of Asya 0.1.1 or by ours, and those that wait."""
_STRINGS: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_NAMES: Final = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?!\w*\s*\()")
"""Names in a formula that are no functions and no members."""
_WORDS: Final = frozenset({"and", "or", "not", "in", "true", "false", "nil", "let", "if", "else"})
"""Of KEDA's expression language: https://expr-lang.org/docs/language-definition."""


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


class Sidecar(SpecPart):
    """The injected sidecar."""

    image: str | None = None
    """Another image than the operator's own."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When a node pulls the image, as Kubernetes has it."""
    resources: Mapping[str, Any] | None = None
    """Requests and limits of the container, as Kubernetes has them."""
    env: list[EnvVar] = Field(default_factory=list)
    """More environment of the sidecar, as Kubernetes has it; wins over the operator's."""
    concurrency: int = Field(default=1, ge=1, le=1000)
    """Handler calls in flight in one replica."""


class Timeout(SpecPart):
    """Time limits, in seconds."""

    processing: Duration = 300.0
    """One handler call; 0 leaves the sidecar's own default."""
    graceful_shutdown: Duration = 30.0
    """From SIGTERM to SIGKILL."""


class AdvancedScaling(SpecPart):
    """KEDA's scaling modifiers."""

    restore_to_original_replica_count: bool | None = None
    """Whether deleting the scaler restores the count that was there before."""
    formula: str | None = Field(default=None, max_length=1024)
    """How many replicas, from `queueLength` or `total` (all envelopes) and `ready` (those that wait)."""
    target: str | None = None
    """What the formula's value is divided by to get replicas, a number above 0."""
    activation_target: str | None = None
    """Up to this value the actor stays at zero."""
    metric_type: Literal["AverageValue", "Value", "Utilization"] | None = None
    """How the autoscaler takes the target: `AverageValue` or `Value`."""

    @model_validator(mode="after")
    def _check_modifiers(self) -> Self:
        if problems := list(_check_modifiers(self)):
            raise RuleBroken(*problems)
        return self


def names_in(formula: str) -> set[str]:
    """The names that a formula takes values from."""
    text = _STRINGS.sub("", formula)
    return set(_NAMES.findall(text)) - _WORDS - set(re.findall(r"\blet\s+(\w+)", text))


def _check_modifiers(own: AdvancedScaling) -> Iterator[Problem]:
    if own.metric_type == "Utilization":
        yield Problem("metricType", "a queue has no utilization, which is of CPU and memory; use AverageValue or Value")
    for field, value, zero in (("target", own.target, False), ("activationTarget", own.activation_target, True)):
        if value is not None and not _is_number(value, zero=zero):
            yield Problem(field, f"must be a number {'of 0 or more' if zero else 'above 0'}, not {quoted(value)}")
    if own.formula is None:
        given = {"target": own.target, "activationTarget": own.activation_target, "metricType": own.metric_type}
        for field, value in given.items():
            if value is not None:
                text = "is about a formula; without one, scaling.queueLength says how many envelopes there are to a replica"
                yield Problem(field, text)
        return
    known = f"a formula counts by {', '.join(TRIGGERS[:-1])} and {TRIGGERS[-1]}"
    names = names_in(own.formula)
    for name in sorted(names - set(TRIGGERS)):
        yield Problem("formula", f"{quoted(name)} is not known; {known}")
    if not names & set(TRIGGERS):
        yield Problem("formula", f"{quoted(own.formula)} counts nothing; {known}")


def _is_number(text: str, *, zero: bool) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return 0 < value < float("inf") or (zero and value == 0)


class Scaling(SpecPart):
    """How many replicas, by the depth of the actor's queue."""

    enabled: bool = False
    """Whether the queue decides; else `workload.replicas` does."""
    min_replicas: int = Field(default=0, ge=0)
    """Never fewer; 0 lets the actor sleep."""
    max_replicas: int = Field(default=50, ge=1)
    """Never more."""
    polling_interval: PositiveDuration = 10.0
    """How often the queue is looked at."""
    cooldown_period: Duration = 60.0
    """How long the queue has been empty before the last replica ends."""
    queue_length: int = Field(default=5, ge=1)
    """Envelopes to a replica: the count is the queue's depth divided by this."""
    advanced: AdvancedScaling | None = None
    """A formula of one's own."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min_replicas > self.max_replicas:
            text = f"minReplicas ({self.min_replicas}) cannot be greater than maxReplicas ({self.max_replicas})"
            raise RuleBroken(Problem("minReplicas", text))
        return self


class Retry(SpecPart):
    """What happens to an envelope whose handler raised."""

    max_attempts: int = Field(default=3, ge=1, le=1000)
    """Handler attempts in all, the first one included."""
    initial_delay: Duration = 1.0
    """Before the second attempt."""
    max_delay: Annotated[Duration, Field(le=900)] = 300.0
    """At most 15 min: the longest delay that SQS keeps (DelaySeconds), so that a promise holds on every transport."""
    multiplier: float = Field(default=2.0, ge=1, le=100, allow_inf_nan=False)
    """By which each delay is longer than the one before."""
    jitter: float = Field(default=0.2, ge=0, le=1)
    """Share of the delay by which it varies at random."""
    retry_on: list[str] = Field(default_factory=list)
    """Class names (matched against the error's MRO) that alone are retried; empty: all."""
    non_retryable: list[str] = Field(default_factory=list)
    """Class names that are never retried."""

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        problems = [
            Problem(f"{field}[{index}]", f"{quoted(name)} is not a class name")
            for field, listed in (("retryOn", self.retry_on), ("nonRetryable", self.non_retryable))
            for index, name in enumerate(listed)
            if not all(part.isidentifier() for part in name.split("."))
        ]
        if problems:
            raise RuleBroken(*problems)
        return self


class Dedup(SpecPart):
    """Duplicates of what this actor has finished are dropped."""

    window: PositiveDuration = 3600.0
    """For how long it is remembered."""


class Delivery(SpecPart):
    """What happens to an envelope whose replica crashed or timed out."""

    max_deliveries: int = Field(default=names.MAX_DELIVERIES, ge=1, le=1000)
    """Crashes and time limits before the envelope becomes a dead letter; they cost no attempt."""
    dedup: Dedup | None = None
    """Off unless given."""


class Accepts(SpecPart):
    """What envelopes may bring to an actor to whose queue others than the mesh may write."""

    routes: list[list[str]] = Field(default_factory=list, max_length=100)
    """Whole routes that are taken, this actor in each; empty takes any."""
    other_routes: Literal["refuse", "replace"] = "refuse"
    """An envelope with another route ends in error-end, or gets the first of these."""
    control_headers: list[str] = Field(default_factory=list, max_length=20)
    """Headers that steer the mesh (`x-asya-fan-in`, `x-asya-lineage` and the like) are taken off, but for these."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        strange = [name for name in self.control_headers if name not in CONTROL]
        if strange:
            raise RuleBroken(Problem("controlHeaders", f"{quoted(strange[0])} is none of {', '.join(sorted(CONTROL))}"))
        if self.other_routes == "replace" and not self.routes:
            raise RuleBroken(Problem("otherRoutes", "replaces by the first of routes, and there is none"))
        return self


class Batch(SpecPart):
    """A handler that takes a list of payloads and returns a list of as many results."""

    size: int = Field(ge=1, le=10_000)
    """Most payloads in one call."""
    wait_ms: int = Field(default=50, ge=0, le=60_000)
    """How long to wait for a batch to fill, in milliseconds."""
