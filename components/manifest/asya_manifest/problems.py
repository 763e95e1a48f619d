"""Turn pydantic's findings into problems with a path and, for an unknown field, the field that was meant. Pure."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from asya_manifest.errors import LONGEST_QUOTE, Problem

_MISSING: Final = "missing"
_UNKNOWN: Final = "extra_forbidden"


class RuleBroken(ValueError):
    """Raised inside validators: problems whose paths are relative to the model that found them."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


def explain(model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """List the problems of a failed validation in the manifest's own words.

    Args:
        model: The model that was validated; its fields are what an unknown one is compared with.
        error: What pydantic raised.
    """
    return [problem for detail in error.errors() for problem in _explain_one(model, dict(detail))]


def clipped(value: object) -> str:
    """A text of a manifest's author, cut off where it is long."""
    text = str(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 1]}…"


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - raw YAML or JSON before validation
    """A document without what is null in it."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def _explain_one(model: type[BaseModel], detail: dict[str, Any]) -> Iterator[Problem]:
    location: tuple[int | str, ...] = detail["loc"]
    path = _path(location)
    cause = (detail.get("ctx") or {}).get("error")
    if isinstance(cause, RuleBroken):
        for problem in cause.problems:
            yield Problem(f"{path}.{problem.path}" if path else problem.path, problem.text)
    elif isinstance(cause, ValueError):
        yield Problem(path, clipped(cause))
    elif detail["type"] == _UNKNOWN:
        yield Problem(path, _unknown(model, location))
    elif detail["type"] == _MISSING:
        yield Problem(path, "required field is missing")
    else:
        text = str(detail["msg"])
        yield Problem(path, f"{text[:1].lower()}{text[1:]}, got {detail.get('input')!r:.80}")


def _path(location: Sequence[int | str]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{clipped(part)}"
    return text.removeprefix(".")


def _unknown(model: type[BaseModel], location: Sequence[int | str]) -> str:
    owner: type[BaseModel] | None = model
    for part in location[:-1]:
        owner = _child(owner, part) if owner is not None else None
    known = sorted(_spellings(owner)) if owner is not None else []
    close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.6)
    if close:
        return f"unknown field; did you mean {close[0]!r}?"
    return f"unknown field; known here: {', '.join(known)}" if known else "unknown field"


def _spellings(model: type[BaseModel]) -> set[str]:
    return {info.alias or name for name, info in model.model_fields.items()}


def _child(model: type[BaseModel], part: int | str) -> type[BaseModel] | None:
    """The model of a field; an index leads to the model itself, since lists were entered by their field."""
    if isinstance(part, int):
        return model
    for name, info in model.model_fields.items():
        if part in (name, info.alias):
            return _model_in(info.annotation)
    return None


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any type annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _model_in(argument))), None)
