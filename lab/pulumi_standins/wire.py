"""Properties on the plugin wire: protobuf structs with marked secrets and unknowns, and the plain values inside them.

Source: sdk/python/lib/pulumi/runtime/rpc.py of Pulumi 3.250.0 (the marker strings).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from google.protobuf import json_format, struct_pb2

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a value that is known only after the update; a plain string on the wire."""
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"

Properties = dict[str, Any]


def raw(struct: struct_pb2.Struct) -> Properties:
    """A struct as it is, markers included."""
    return dict(json_format.MessageToDict(struct))


def plain(value: Any) -> Any:
    """A value without markers: secrets opened, whole numbers as int; unknowns stay ``UNKNOWN``."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return plain(value.get("value"))
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def load(struct: struct_pb2.Struct) -> Properties:
    """A struct as plain properties."""
    return dict(plain(raw(struct)))


def dump(properties: Mapping[str, Any], secrets: Iterable[str] = ()) -> struct_pb2.Struct:
    """Properties as a struct, those named in ``secrets`` as secrets."""
    hidden = set(secrets)
    marked = {key: {SIGNATURE: SECRET, "value": v} if key in hidden else v for key, v in properties.items()}
    return json_format.ParseDict(marked, struct_pb2.Struct())


def secret_keys(struct: struct_pb2.Struct) -> set[str]:
    """The properties that hold a secret anywhere; such a property goes back as a secret as a whole."""
    return {key for key, value in raw(struct).items() if _holds_secret(value)}


def repeating_secrets(outputs: Mapping[str, Any], struct: struct_pb2.Struct) -> set[str]:
    """The outputs that repeat a secret input: ``tagsAll`` repeats a secret tag, and would leak it into the state file."""
    leaves = set(_secret_leaves(raw(struct), inside=False))
    return {key for key, value in outputs.items() if any(leaf in json.dumps(value) for leaf in leaves)}


def is_unknown(value: Any) -> bool:
    """Whether a value is unknown, or holds one that is."""
    if isinstance(value, dict):
        return any(map(is_unknown, value.values()))
    if isinstance(value, list):
        return any(map(is_unknown, value))
    return bool(value == UNKNOWN)


def meaning(value: Any) -> Any:
    """A value in the form in which it is compared: JSON documents by what they say, not by how they are written."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get(SIGNATURE) == SECRET or any(map(_holds_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_secret, value))


def _secret_leaves(value: Any, *, inside: bool) -> Iterator[str]:
    if isinstance(value, dict):
        hidden = value.get(SIGNATURE) == SECRET
        for key, inner in value.items():
            if not (hidden and key == SIGNATURE):
                yield from _secret_leaves(inner, inside=inside or hidden)
    elif isinstance(value, list):
        for inner in value:
            yield from _secret_leaves(inner, inside=inside)
    elif inside and isinstance(value, str) and value:
        yield value
