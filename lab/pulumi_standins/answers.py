"""What a plugin answers, as values: names, refusals, differences, previews, drift. Each rule was met in a failing run."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lab.pulumi_standins import sdk_types
from lab.pulumi_standins.kind import Kind
from lab.pulumi_standins.wire import UNKNOWN, Properties, meaning

_MARKS = "__defaults"
"""Names the inputs that the plugin chose by itself; the bridge of the real AWS plugin keeps the same mark."""
_ADD, _DELETE, _UPDATE = 0, 2, 4
"""PropertyDiff's codes; one more means that the change replaces the resource."""


@dataclass(frozen=True, slots=True)
class Change:
    """One input that differs."""

    name: str
    code: int

    @property
    def replaces(self) -> bool:
        """Whether it makes a new resource of it."""
        return self.code % 2 == 1


def without_marks(inputs: Properties) -> Properties:
    """Inputs without the plugin's own notes."""
    return {key: value for key, value in inputs.items() if key != _MARKS}


def named(
    kind: Kind[Any], news: Properties, olds: Properties, *, proposed: str, logical: str, seed: bytes
) -> Properties:
    """Inputs with a name, where the program gave none: the one it had, the engine's proposal, or one from the seed."""
    inputs = without_marks(news)
    if kind.autoname is None or kind.autoname in inputs:
        return inputs
    kept = olds.get(kind.autoname) if kind.autoname in olds.get(_MARKS, []) else None
    fresh = proposed or f"{logical}-{hashlib.sha256(seed).hexdigest()[:7]}"
    return {**inputs, kind.autoname: kept or fresh, _MARKS: [kind.autoname]}


def refusals(kind: Kind[Any], token: str, inputs: Properties, sdk: str) -> list[sdk_types.Problem]:
    """What is wrong with the inputs, by the SDK's types and then by the kind's own rules."""
    return sdk_types.problems(token, inputs, sdk) or kind.check(inputs)


def changes(old: Properties, new: Properties, force_new: Iterable[str], ignored: Iterable[str]) -> list[Change]:
    """The inputs that differ in meaning, without the ignored paths."""
    skipped, forcing = list(ignored), frozenset(force_new)
    before, after = without_marks(_without(old, skipped)), without_marks(_without(new, skipped))
    found = []
    for name in sorted(before.keys() | after.keys()):
        if meaning(before.get(name)) != meaning(after.get(name)):
            code = _ADD if name not in before else _DELETE if name not in after else _UPDATE
            found.append(Change(name, code + (name in forcing)))
    return found


def previewed(token: str, inputs: Properties, sdk: str) -> Properties:
    """What a preview knows: the inputs; a missing output would read as None in the program, so all are named unknown."""
    return {**dict.fromkeys(sdk_types.outputs(token, sdk), UNKNOWN), **inputs}


def drifted(declared: Properties, live: Properties) -> Properties:
    """Declared inputs with the values they have now; on an import, where nothing is declared, all that is live.

    What the program did not declare is the service's own choice and no drift.
    """
    if not declared:
        return live
    return {k: live[k] if k in live and meaning(live[k]) != meaning(v) else v for k, v in declared.items()}


def combined(outputs: Properties, inputs: Properties) -> Properties:
    """What the engine keeps: outputs, and inputs over them; what the service added inside of an input stays."""
    both = {key for key in outputs.keys() & inputs.keys() if isinstance(outputs[key], dict)}
    nested = {key: {**outputs[key], **inputs[key]} for key in both if isinstance(inputs[key], dict)}
    return {**outputs, **inputs, **nested}


def _without(properties: Properties, paths: list[str]) -> Properties:
    for path in paths:
        properties = _pruned(properties, path.split("."))
    return properties


def _pruned(properties: Properties, path: list[str]) -> Properties:
    name, rest = path[0], path[1:]
    if name not in properties:
        return properties
    if not rest:
        return {key: value for key, value in properties.items() if key != name}
    inner = properties[name]
    return {**properties, name: _pruned(inner, rest)} if isinstance(inner, dict) else properties
