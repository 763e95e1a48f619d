"""The Limit: how often, how much and how many at once, for every actor that names it. Pure.

``kind: Limit`` declares it, ``spec.limits`` of an AsyncActor names it and says where its envelopes tell what they cost. Both
together are the rule that a sidecar is told (``ASYA_LIMITS``).
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from asya_manifest.errors import InvalidActor, InvalidLimit, Problem, quoted
from asya_manifest.pod_rules import LABEL_PATTERN, no_label
from asya_manifest.problems import RuleBroken, explain, without_nulls
from asya_manifest.spec_part import SpecPart

LIMIT_KIND: Final = "Limit"
_PATH: Final = re.compile(r"(headers\.[^\s.][^\s]*|payload(\.[^\s.]+)*)")


def _check_path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError(f"{quoted(text)} is no path: write headers.NAME or payload.a.b")
    return text


def _check_cost(text: str) -> str:
    return text if _is_amount(text) else _check_path(text)


def _is_amount(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text) is not None


def _read_cost(value: object) -> object:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


PathText = Annotated[str, AfterValidator(_check_path)]
CostText = Annotated[str, BeforeValidator(_read_cost), AfterValidator(_check_cost)]


class LimitUse(SpecPart):
    """A limit that every call of an actor's handler is asked for."""

    name: str = Field(min_length=1, max_length=63)
    """The Limit's name."""
    cost: CostText | None = None
    """Where an envelope says what its call will cost, such as payload.maxTokens, or a number in quotes."""
    spent: PathText | None = None
    """Where the handler's output says what it did cost, such as payload.usage.total_tokens."""


class LimitSpec(SpecPart):
    """What a limit allows; at least one of the first three is there."""

    requests_per_minute: int | None = Field(default=None, ge=1, le=10_000_000)
    """Handler calls that may begin within any minute."""
    tokens_per_minute: int | None = Field(default=None, ge=1, le=1_000_000_000_000)
    """What those calls may cost, in the unit that actors' cost and spent are in."""
    concurrency: int | None = Field(default=None, ge=1, le=10_000)
    """Handler calls under way at once."""
    key: PathText | None = None
    """Where an envelope says whose limit it is, such as headers.tenant: each value has a limit of its own."""
    when_store_away: Literal["open", "closed"] = "closed"
    """Whether calls run or wait while the state of limits cannot be reached."""

    @model_validator(mode="after")
    def _check_something(self) -> Self:
        if self.requests_per_minute is None and self.tokens_per_minute is None and self.concurrency is None:
            text = "limits nothing; set requestsPerMinute, tokensPerMinute or concurrency"
            raise RuleBroken(Problem("requestsPerMinute", text))
        return self


class LimitMetadata(BaseModel):
    """Kubernetes object metadata; only the name is read."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if not LABEL_PATTERN.fullmatch(self.name):
            raise RuleBroken(Problem("name", no_label(self.name)))
        return self


class Limit(SpecPart):
    """One limit as declared."""

    api_version: Literal["asya.sh/v1alpha1"]
    kind: Literal["Limit"]
    metadata: LimitMetadata
    spec: LimitSpec

    @property
    def name(self) -> str:
        """By which actors name it."""
        return self.metadata.name


def parse_limit(document: Mapping[str, Any]) -> Limit:
    """Check one Limit object.

    Raises:
        InvalidLimit: It breaks a rule; every problem found is listed with its path.
    """
    try:
        return Limit.model_validate(without_nulls(document))
    except ValidationError as exc:
        metadata = document.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        raise InvalidLimit(str(name or "?"), explain(Limit, exc)) from None


def write_limits(actor: str, uses: list[LimitUse], limits: Mapping[str, LimitSpec]) -> str:
    """Write what an actor's sidecar is told of its limits, as JSON.

    Raises:
        InvalidActor: There is no such limit, or it counts what the actor does not tell.
    """
    problems: list[Problem] = []
    rules: list[dict[str, object]] = []
    for index, use in enumerate(uses):
        spec = limits.get(use.name)
        if spec is None:
            known = f"there are {', '.join(sorted(limits))}" if limits else "there is none"
            problems.append(Problem(f"spec.limits[{index}].name", f"there is no Limit {quoted(use.name)}; {known}"))
        elif spec.tokens_per_minute is not None and use.cost is None and use.spent is None:
            text = f"Limit {quoted(use.name)} counts tokens; say in cost or spent what a call of this actor costs"
            problems.append(Problem(f"spec.limits[{index}]", text))
        else:
            rules.append(_rule(use, spec))
    if problems:
        raise InvalidActor(actor, problems)
    return json.dumps(rules, separators=(",", ":"))


def _rule(use: LimitUse, spec: LimitSpec) -> dict[str, object]:
    cost: object = float(use.cost) if use.cost is not None and _is_amount(use.cost) else use.cost
    told = {
        "name": use.name,
        "requestsPerMinute": spec.requests_per_minute,
        "tokensPerMinute": spec.tokens_per_minute,
        "concurrency": spec.concurrency,
        "key": spec.key,
        "cost": cost,
        "spent": use.spent,
        "whenAway": spec.when_store_away,
    }
    return {name: value for name, value in told.items() if value is not None}
