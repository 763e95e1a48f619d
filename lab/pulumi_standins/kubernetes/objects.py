"""Kubernetes objects as values: names, paths, differences, and which changes need a new object.

Source of ``FORCE_NEW``: provider/pkg/provider/diff.go of pulumi-kubernetes, version 4.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from lab.pulumi_standins.wire import UNKNOWN, Properties, meaning

AUTONAMED: Final = "pulumi.com/autonamed"
_PATCH_MANAGER: Final = "pulumi.com/patchFieldManager"
MANAGER: Final = "pulumi-kubernetes"
_OWN_PREFIX: Final = "__"

_ALWAYS: Final = ("metadata.name", "metadata.namespace", "kind")
FORCE_NEW: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"),
    "Job": ("spec.selector", "spec.template"),
    "ConfigMap": ("data", "binaryData", "immutable"),
    "Secret": ("data", "stringData", "type"),
    "Service": ("spec.type",),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"),
    "StorageClass": ("parameters", "provisioner"),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
}


def named(news: Properties, olds: Properties, *, logical: str, seed: bytes) -> Properties:
    """Inputs with a name, kept from before or made from the logical one, and Secrets in the form the API returns."""
    metadata = news.get("metadata") if isinstance(news.get("metadata"), dict) else {}
    metadata = dict(metadata or {})
    if not metadata.get("name") and not metadata.get("generateName"):
        kept = (olds.get("metadata") or {}).get("name")
        metadata["name"] = kept or f"{logical}-{hashlib.sha256(seed).hexdigest()[:8]}"
        metadata["annotations"] = {**(metadata.get("annotations") or {}), AUTONAMED: "true"}
    return with_data_only({**news, "metadata": metadata})


def with_data_only(news: Properties) -> Properties:
    """The API server never returns ``stringData``; left as it is, it would look like drift for ever."""
    text = news.get("stringData")
    if news.get("kind") != "Secret" or not isinstance(text, dict):
        return news
    encoded = {k: v if v == UNKNOWN else base64.b64encode(str(v).encode()).decode() for k, v in text.items()}
    rest = {key: value for key, value in news.items() if key != "stringData"}
    return {**rest, "data": {**(news.get("data") or {}), **encoded}}


def manager_of(thing: Properties) -> str:
    """Who owns the fields of a patch."""
    return str((thing["metadata"].get("annotations") or {}).get(_PATCH_MANAGER) or f"{MANAGER}-patch")


def emptied(thing: Properties) -> Properties:
    """A patch without its fields, which gives them up when it is applied."""
    metadata = {key: thing["metadata"][key] for key in ("name", "namespace") if key in thing["metadata"]}
    return {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "metadata": metadata}


def own_secrets(properties: Properties) -> set[str]:
    """What is secret of an object whatever the program says."""
    return {"data", "stringData", "__inputs"} & properties.keys() if properties.get("kind") == "Secret" else set()


def as_object(inputs: Properties) -> Properties:
    """Inputs as they are sent: without the plugin's own notes and without nulls."""
    return {key: _without_nulls(value) for key, value in inputs.items() if not key.startswith(_OWN_PREFIX)}


def identifier(thing: Properties) -> str:
    """``namespace/name``, or the name alone."""
    metadata = thing["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def state_of(inputs: Properties, live: Properties) -> Properties:
    """What the engine keeps."""
    return {**live, "__inputs": inputs, "__initialApiVersion": inputs["apiVersion"], "__fieldManager": "standin"}


def from_identity(token: str, identity: str) -> Properties:
    """The least that names an object, from its type token and id: all there is on an import."""
    _, version, kind = token.split(":")
    namespace, _, name = identity.rpartition("/")
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version.removeprefix("core/"), "kind": kind, "metadata": metadata}


def changed_paths(old: Properties, new: Properties, ignored: list[str]) -> dict[str, int]:
    """Differing paths and their codes (0 added, 2 deleted, 4 updated; one more replaces the object)."""
    before, after = _leaves(as_object(old)), _leaves(as_object(new))
    forcing = (*_ALWAYS, *FORCE_NEW.get(str(new.get("kind")), ()))
    found: dict[str, int] = {}
    for path in sorted(before.keys() | after.keys()):
        if meaning(before.get(path)) == meaning(after.get(path)) or any(_inside(path, skip) for skip in ignored):
            continue
        code = 0 if path not in before else 2 if path not in after else 4
        found[path] = code + any(_inside(path, force) for force in forcing)
    return found


def keeps_its_name(old: Properties, new: Properties) -> bool:
    """Whether a replacement would meet its predecessor; an automatic name is made anew for it."""
    metadata = new.get("metadata") or {}
    if (metadata.get("annotations") or {}).get(AUTONAMED) == "true":
        return False
    before = old.get("metadata") or {}
    return all(before.get(key) == metadata.get(key) for key in ("name", "namespace"))


def drifted(declared: Any, live: Any) -> Any:
    """What was declared, with the values it has now; defaults that the API server added are no drift."""
    if isinstance(declared, dict) and isinstance(live, dict):
        return {key: drifted(value, live[key]) for key, value in declared.items() if key in live}
    if isinstance(declared, list) and isinstance(live, list) and len(declared) == len(live):
        return [drifted(one, other) for one, other in zip(declared, live, strict=True)]
    return declared if meaning(declared) == meaning(live) else live


def _inside(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}.")


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {p: v for key, inner in value.items() for p, v in _leaves(inner, f"{path}.{key}".strip(".")).items()}
    return {path: value}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
