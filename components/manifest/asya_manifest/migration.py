"""AsyncActors of the original's 1.x as ours, field by field, with a note for everything that has no place here. Pure.

Their manifests are flat: image, environment, secrets, resources and scheduling stand in ``spec`` itself, scaling has KEDA's
names, ``resiliency`` holds limits and retries, and the broker is the installation's
(https://github.com/deliveryhero/asya, ``docs/`` and ``examples/`` of 1.x).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from asya_manifest.actor import API_VERSION, KIND
from asya_manifest.pod import RUNTIME_CONTAINER

Document = dict[str, Any]

_MARKS: Final = frozenset({"actor", "env", "envFrom", "secretRefs", "resiliency", "flavors", "stateProxy", "resources"})
"""Fields of a spec that only theirs have, or have in this shape."""
_POD: Final = (
    "tolerations",
    "nodeSelector",
    "affinity",
    "volumes",
    "initContainers",
    "serviceAccountName",
    "imagePullSecrets",
)
_CONTAINER: Final = ("image", "imagePullPolicy", "resources", "volumeMounts", "envFrom")
_SCALING: Final = {"minReplicaCount": "minReplicas", "maxReplicaCount": "maxReplicas"}
_KEPT_SCALING: Final = frozenset(
    {"enabled", "minReplicas", "maxReplicas", "pollingInterval", "cooldownPeriod", "queueLength", "advanced"}
)
_RETRY: Final = {
    "maxAttempts": "maxAttempts",
    "initialInterval": "initialDelay",
    "maxInterval": "maxDelay",
    "nonRetryableErrors": "nonRetryable",
}
_CREW: Final = {"x-sink": "happy-end", "x-sump": "error-end"}
_LOST: Final = {
    "flavors": "there are none: write what they bring into the manifest, or share it by an overlay of kustomize",
    "stateProxy": "files are not kept by the mesh: use the object store's own client in the handler, or a volume",
    "additionalTriggers": "an actor scales by its queue alone",
    "onExhausted": "an envelope that ran out of attempts ends in error-end",
}


@dataclass(slots=True)
class Migrated:
    """One document, and what of it could not be kept.

    Attributes:
        document: Ours.
        notes: Path, and why it is gone or what to look at.
        changed: Whether it was one of theirs.
    """

    document: Document
    notes: list[str] = field(default_factory=list)
    changed: bool = True


def is_theirs(document: Mapping[str, Any]) -> bool:
    """Whether a document is an AsyncActor in the form of 1.x."""
    spec = document.get("spec")
    if document.get("kind") != KIND or not isinstance(spec, Mapping):
        return False
    scaling = spec.get("scaling")
    flat_env = isinstance(spec.get("env"), Mapping)  # our own short form
    marks = set(spec) & _MARKS - ({"env"} if flat_env else set())
    return (
        bool(marks) or (isinstance(scaling, Mapping) and bool(set(scaling) & set(_SCALING))) or "transport" not in spec
    )


def migrate(document: Mapping[str, Any], transport: str) -> Migrated:
    """Turn an AsyncActor of theirs into one of ours; anything else stays as it is.

    Args:
        document: One YAML document.
        transport: For an actor that names none.
    """
    if not is_theirs(document):
        return Migrated(dict(document), changed=False)
    made = Migrated(
        {"apiVersion": API_VERSION, "kind": KIND, "metadata": dict(document.get("metadata") or {}), "spec": {}}
    )
    given = dict(document["spec"])
    _name(made, given)
    spec = made.document["spec"]
    spec["transport"] = given.pop("transport", None) or transport
    spec["compat"] = "asya-1"
    if "timeout" in given:
        spec["timeout"] = given.pop("timeout")
    if "scaling" in given:
        spec["scaling"] = dict(_scaling(made, given.pop("scaling") or {}))
    _resiliency(made, given.pop("resiliency", None) or {})
    if "sidecar" in given:
        spec["sidecar"] = given.pop("sidecar")
    spec["workload"] = _workload(given)
    for name in sorted(given):
        made.notes.append(f"spec.{name}: left out; {_LOST.get(name) or 'it has no counterpart'}")
    return made


def _name(made: Migrated, given: Document) -> None:
    meta = made.document["metadata"]
    actor = given.pop("actor", None)
    if actor and actor != meta.get("name"):
        made.notes.append(f"metadata.name: {actor!r}, as routes name it, in place of {meta.get('name')!r}")
        meta["name"] = actor
    crew = _CREW.get(str(meta.get("name")))
    if crew is not None:
        made.notes.append(
            f"metadata.name: {crew} of our crew does what {meta['name']} does; install that, and leave this out"
        )


def _scaling(made: Migrated, given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        ours = _SCALING.get(name, name)
        if ours in _KEPT_SCALING:
            yield ours, value
        else:
            made.notes.append(f"spec.scaling.{name}: left out; {_LOST.get(name) or 'it has no counterpart'}")


def _resiliency(made: Migrated, given: Mapping[str, Any]) -> None:
    """Limits and retries; of several policies the default one, since here one rule holds for all errors."""
    rest = dict(given)
    spec = made.document["spec"]
    if limit := rest.pop("actorTimeout", None):
        spec["timeout"] = {**(spec.get("timeout") or {}), "processing": limit}
    policies = dict(rest.pop("policies", None) or {})
    retry = rest.pop("retry", None) or policies.pop("default", None)
    for name in sorted(policies):
        made.notes.append(
            f"spec.resiliency.policies.{name}: left out; one rule holds for all errors, and spec.retry.nonRetryable"
        )
    if isinstance(retry, Mapping):
        spec["retry"] = {_RETRY[name]: value for name, value in retry.items() if name in _RETRY}
        kind = retry.get("policy") or retry.get("backoff")
        if kind in ("constant", "fixed", "linear"):
            spec["retry"]["multiplier"] = 1
        if "backoffCoefficient" in retry:
            spec["retry"]["multiplier"] = retry["backoffCoefficient"]
        for name in sorted(set(retry) - set(_RETRY) - {"policy", "backoff", "backoffCoefficient"}):
            made.notes.append(f"spec.resiliency.retry.{name}: left out; {_LOST.get(name) or 'it has no counterpart'}")
    for name in sorted(rest):
        made.notes.append(f"spec.resiliency.{name}: left out; it has no counterpart")


def _workload(given: Document) -> Document:
    """What runs the handler: one of theirs may have a template too, into which the flat fields go."""
    workload = dict(given.pop("workload", None) or {})
    for flat, ours in (("replicas", "replicas"), ("pythonExecutable", "pythonExecutable")):
        if flat in given:
            workload[ours] = given.pop(flat)
    template = dict(workload.get("template") or {})
    pod = dict(template.get("spec") or {})
    containers = [dict(each) for each in pod.get("containers") or []]
    runtime = next((each for each in containers if each.get("name") == RUNTIME_CONTAINER), None)
    if runtime is None:
        runtime = {"name": RUNTIME_CONTAINER}
        containers.insert(0, runtime)
    runtime |= {name: given.pop(name) for name in _CONTAINER if name in given}
    handler = given.pop("handler", None)
    env = [{"name": "ASYA_HANDLER", "value": handler}] if handler else []
    env += [
        *(runtime.get("env") or []),
        *(given.pop("env", None) or []),
        *_secrets(given.pop("secretRefs", None) or []),
    ]
    if env:
        runtime["env"] = env
    containers += [dict(each) for each in given.pop("sidecars", None) or []]
    pod |= {name: given.pop(name) for name in _POD if name in given}
    pod["containers"] = containers
    return {**workload, "template": {**template, "spec": pod}}


def _secrets(given: list[Mapping[str, Any]]) -> Iterator[Document]:
    for secret in given:
        for entry in secret.get("keys") or []:
            source = {"name": secret.get("secretName"), "key": entry.get("key")}
            yield {"name": entry.get("envVar"), "valueFrom": {"secretKeyRef": source}}


def migrate_all(documents: list[Any], transport: str, read: Callable[[Document], object]) -> list[Migrated]:
    """Turn every document, and read each result once, so that none comes out that a mesh would refuse.

    Args:
        documents: Of one file, as YAML gives them.
        transport: For actors that name none.
        read: Checks an AsyncActor; raises what it finds.
    """
    found = [migrate(each, transport) for each in documents if isinstance(each, Mapping)]
    for each in found:
        if each.changed:
            read(each.document)
    return found
