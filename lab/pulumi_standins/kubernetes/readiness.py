"""When an object is ready, as the real plugin waits for it; pure.

Source: provider/pkg/await of pulumi-kubernetes, and its page on await logic: Deployments and StatefulSets by their
replicas, Jobs by completion, Pods and CRDs by conditions, claims by phase; ``pulumi.com/skipAwait`` and
``pulumi.com/waitFor`` (a condition, a JSONPath, or a list of them) as documented.
"""

import json
import re
from typing import Any, Final

from lab.pulumi_standins.wire import Properties

SKIP: Final = "pulumi.com/skipAwait"
WAIT_FOR: Final = "pulumi.com/waitFor"
_JSONPATH: Final = re.compile(r"^jsonpath=\{?\.?(?P<path>[^}=]+)\}?(?:=(?P<value>.*))?$")


def is_ready(thing: Properties) -> bool:
    """Whether nothing is left to wait for."""
    annotations = thing.get("metadata", {}).get("annotations") or {}
    if annotations.get(SKIP) == "true":
        return True
    if WAIT_FOR in annotations:
        return all(_holds(wish, thing) for wish in _wishes(annotations[WAIT_FOR]))
    status, spec = thing.get("status") or {}, thing.get("spec") or {}
    seen = status.get("observedGeneration", 0) >= thing["metadata"].get("generation", 0)
    match thing["kind"]:
        case "CustomResourceDefinition":
            return _condition(status, "Established")
        case "Deployment":
            wanted = spec.get("replicas", 1)
            return bool(
                seen and status.get("updatedReplicas", 0) >= wanted and status.get("availableReplicas", 0) >= wanted
            )
        case "StatefulSet":
            wanted = spec.get("replicas", 1)
            return bool(seen and status.get("readyReplicas", 0) >= wanted)
        case "DaemonSet":
            return bool(seen and status.get("numberReady", 0) >= status.get("desiredNumberScheduled", 0))
        case "Job":
            return _condition(status, "Complete")
        case "Pod":
            return _condition(status, "Ready")
        case "Namespace":
            return bool(status.get("phase", "Active") == "Active")
        case "PersistentVolumeClaim":
            return True  # A claim may wait for its first user, so the real plugin does not wait either.
    return True


def failure(thing: Properties) -> str | None:
    """Why it will never be ready; ``None`` as long as it may."""
    for condition in (thing.get("status") or {}).get("conditions") or []:
        failed = thing["kind"] == "Job" and condition["type"] == "Failed"
        stuck = thing["kind"] == "Deployment" and condition.get("reason") == "ProgressDeadlineExceeded"
        if (failed and condition["status"] == "True") or stuck:
            return str(condition.get("message") or condition.get("reason"))
    return None


def explained(thing: Properties) -> str:
    """What its conditions say, for the error of a wait that took too long."""
    conditions = (thing.get("status") or {}).get("conditions") or []
    told = [f"{c['type']}={c['status']} ({c.get('reason', '')}: {c.get('message', '')})" for c in conditions]
    return "; ".join(told) or f"status: {json.dumps(thing.get('status') or {})[:500]}"


def _wishes(text: str) -> list[str]:
    if text.startswith("["):
        return [str(wish) for wish in json.loads(text)]
    return [text]


def _holds(wish: str, thing: Properties) -> bool:
    if wish.startswith("condition="):
        name, _, wanted = wish.removeprefix("condition=").partition("=")
        return _condition(thing.get("status") or {}, name, wanted or "True")
    found = _JSONPATH.match(wish)
    if found is None:
        raise ValueError(f"{WAIT_FOR}: {wish!r} is neither condition=NAME nor jsonpath={{PATH}}=VALUE")
    at: Any = thing
    for step in found["path"].split("."):
        at = at.get(step) if isinstance(at, dict) else None
    return at is not None if found["value"] is None else str(at) == found["value"]


def _condition(status: Properties, name: str, wanted: str = "True") -> bool:
    return any(c["type"] == name and c["status"] == wanted for c in status.get("conditions") or [])
