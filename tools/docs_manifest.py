"""Write docs/manifest.md, the reference of an AsyncActor's spec, from its model; with ``--check`` only compare."""

import argparse
import inspect
import types
import typing
from collections.abc import Iterator
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from asya_manifest.actor import ActorSpec
from asya_manifest.spec_part import SpecPart
from asya_protocol.durations import format_duration
from lab.checkout import ROOT
from tools.docstrings import sentence
from tools.tree import write_or_compare

PAGE: Final = ROOT / "docs" / "manifest.md"
HEADER: Final = """\
# The manifest

Every field of `spec` in an `AsyncActor` (`asya.sh/v1alpha1`), by section. A field that is not here is refused with its path. An
explicit `null` counts as absent. Durations are seconds, or written like `30s`, `5m` or `1h30m`. What a cluster does with
them is in [operator.md](operator.md), what a laptop does in [the README](../README.md).

The shortest manifest has a handler, and one line for each variable:

```yaml excerpt
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata:
  name: ocr
spec:
  transport: rabbitmq
  handler: ocr.run
  image: registry.example/ocr:1.4
  env:
    MODEL: large
```

This page is made from the code by `make docs`.
"""
OPEN: Final = {"resources": "object", "template": "pod template"}
"""What Kubernetes defines."""


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the page differs")
    arguments = parser.parse_args()
    text = "\n".join([HEADER, *sections("spec", ActorSpec)])
    write_or_compare(PAGE, text, check=arguments.check, command="make docs")


def sections(path: str, model: type[SpecPart]) -> Iterator[str]:
    """Write a model as a table, then the models of its fields."""
    yield f"## {path}\n\n{inspect.getdoc(model)}\n\n| field | value | default | meaning |\n|---|---|---|---|"
    inner: list[tuple[str, type[SpecPart]]] = []
    for name, field in model.model_fields.items():
        alias = field.alias or name
        part = part_of(field.annotation)
        if part is not None:
            inner.append((f"{path}.{alias}", part))
        yield row(alias, field, f"[below](#{path}.{alias})".replace(".", "").lower() if part else kind_of(name, field))
    yield ""
    for place, part in inner:
        yield from sections(place, part)


def row(alias: str, field: FieldInfo, kind: str) -> str:
    """Write a field as one line of a table.

    Raises:
        ValueError: Nobody has said what it means.
    """
    if not field.description:
        raise ValueError(f"the field {alias} has no docstring")
    meaning = sentence(" ".join(field.description.replace("``", "`").split()))
    return f"| `{alias}` | {kind} | {default_of(field)} | {meaning} |"


def part_of(annotation: Any) -> type[SpecPart] | None:  # noqa: ANN401 - any annotation
    """The section that a field holds; none of a plain value."""
    for each in (annotation, *typing.get_args(annotation)):
        if inspect.isclass(each) and issubclass(each, SpecPart):
            return each
    return None


def kind_of(name: str, field: FieldInfo) -> str:
    """What may be written there, with its bounds."""
    if is_duration(field):
        kind = "duration"
    elif name in OPEN:
        kind = OPEN[name]
    else:
        kind = words(field.annotation)
    bounds = {type(each).__name__: vars_of(each) for each in field.metadata if type(each).__name__ in BOUNDS}
    said = [
        f"{BOUNDS[bound]} {format_duration(value) if kind == 'duration' else f'{value:g}'}"
        for bound, value in bounds.items()
    ]
    return ", ".join([kind, *said])


BOUNDS: Final = {"Ge": "at least", "Gt": "over", "Le": "at most"}


def vars_of(bound: object) -> float:
    """The value of a bound."""
    return next(float(getattr(bound, name)) for name in ("ge", "gt", "le") if hasattr(bound, name))


def is_duration(field: FieldInfo) -> bool:
    """Whether a field is a length of time."""
    return isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("format") == "duration"


def words(annotation: Any) -> str:  # noqa: ANN401 - any annotation
    """A type as people write it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(words(each) for each in arguments if each is not types.NoneType)
    if origin is typing.Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin is typing.Annotated:
        return words(arguments[0])
    if origin is list:
        return f"list of {words(arguments[0])}"
    if origin is not None:
        return "names and texts" if arguments[-1] is str else "object"
    return {"str": "text", "int": "number", "float": "number", "bool": "`true` or `false`", "EnvVar": "variables"}.get(
        annotation.__name__, "object"
    )


def default_of(field: FieldInfo) -> str:
    """A default as a reader would type it."""
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value is PydanticUndefined:
        return "unset"
    if is_duration(field):
        return f"`{format_duration(float(value))}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value if not isinstance(value, float) else f'{value:g}'}`"


if __name__ == "__main__":
    main()
