"""Loads the handler of an actor that naps, in a pod of its own, so that `pulumi up` tells what its first envelope would meet.

An actor that naps has no pod that could fail. The pod here has what the actor's would have, its image, environment, volumes
and resources, but no sidecar: nothing reaches a queue. It ends once the handler is loaded, and is deleted in any case. What
cannot be found out within the time (no node has room, the image is large, the handler loads long) is left to the operator,
and so is a StatefulSet with claims of its own: its handler may need what only a replica's claim holds.
"""

import contextlib
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from asya_infra.cluster_api import DEPLOYMENT, POD, STATEFUL_SET, ClusterApi, ClusterRefused, ClusterSilent

LIMIT_S: Final = 60.0
LOOK_S: Final = 0.5
LABEL: Final = "asya.sh/handler-check"
"""Of the pod, with the actor's name; it has none of the actor's labels, so that nothing takes it for a replica."""
RUNTIME: Final = "asya-runtime"
_OURS: Final = frozenset({"asya-sidecar"})
_STUCK: Final = frozenset({"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"})
_OF_SERVING: Final = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports")


def find_trouble(api: ClusterApi, namespace: str, actor: str, limit_s: float) -> str:
    """Say why an actor's handler cannot be loaded; empty where it can, or where that cannot be found out.

    Args:
        api: The cluster.
        namespace: The actor's.
        actor: Its name.
        limit_s: How long; at most a minute is taken.
    """
    deadline_s = time.monotonic() + min(limit_s, LIMIT_S)
    with contextlib.suppress(ClusterRefused, ClusterSilent):
        workload = api.get(DEPLOYMENT, namespace, actor) or api.get(STATEFUL_SET, namespace, actor)
        pod = None if workload is None else check_pod(workload, f"{actor[:50]}-check-{secrets.token_hex(3)}")
        if pod is None:
            return ""
        name = str(pod["metadata"]["name"])
        api.create(POD, namespace, pod)
        try:
            return _watch(api, namespace, name, deadline_s)
        finally:
            with contextlib.suppress(ClusterRefused, ClusterSilent):  # it ends by itself after ten minutes
                api.delete(POD, namespace, name)
    return ""


def _watch(api: ClusterApi, namespace: str, name: str, deadline_s: float) -> str:
    while True:
        found = api.get(POD, namespace, name)
        said = verdict(found or {})
        if said is not None:
            return said
        if time.monotonic() >= deadline_s:
            return stuck(found or {})
        time.sleep(LOOK_S)


def check_pod(workload: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Make the pod from an actor's workload. Pure.

    Returns:
        ``None`` where the workload has no runtime of ours, or claims of its own.
    """
    template = workload["spec"]["template"]
    actor = str(workload["metadata"]["name"])
    spec = template["spec"]
    runtimes = [container for container in spec.get("containers") or () if container.get("name") == RUNTIME]
    if not runtimes or not runtimes[0].get("command") or workload["spec"].get("volumeClaimTemplates"):
        return None
    kept = {key: value for key, value in runtimes[0].items() if key not in _OF_SERVING}
    first = [each for each in spec.get("initContainers") or () if each.get("name") not in _OURS]
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {LABEL: actor}, "annotations": dict(annotations)},
        "spec": {
            **spec,
            "initContainers": first,
            "containers": [{**kept, "command": [*kept["command"], "--check"]}],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "activeDeadlineSeconds": 600,
        },
    }


def verdict(pod: Mapping[str, Any]) -> str | None:
    """Read how the check ended. Pure.

    Returns:
        Why the handler cannot be loaded; empty: it can; ``None``: nobody knows yet.
    """
    for state in _states(pod):
        if ended := state.get("terminated"):
            code = ended.get("exitCode", 0)
            words = str(ended.get("message") or f"{ended.get('reason', 'Error')}, exit code {code}")
            return "" if code == 0 else words
    return None


def stuck(pod: Mapping[str, Any]) -> str:
    """Say why a check has not begun, where that does not mend itself. Pure."""
    waiting: Mapping[str, Any] = next((state["waiting"] for state in _states(pod) if state.get("waiting")), {})
    if waiting.get("reason") not in _STUCK:
        return ""
    return ": ".join(str(waiting[key]) for key in ("reason", "message") if waiting.get(key))


def _states(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    return [each.get("state") or {} for each in found if each.get("name") == RUNTIME]
