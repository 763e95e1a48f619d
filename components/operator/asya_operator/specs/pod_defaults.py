"""What every container of an actor's pod gets where its author says nothing: a security context and a patient end. Pure.

The security context passes Pod Security ``restricted``. The end: Kubernetes sends SIGTERM once, to process 1 of each
container, and the kernel drops it when that process neither handles nor blocks it yet (pid_namespaces(7)). A pod that is
deleted in the second in which it starts, as autoscalers and rollouts do, would then live on, and hold its GPU, for the whole
of its grace. The hook below holds SIGTERM back until ``/proc/1/status`` shows bit 14 of the caught or blocked signals, and
no longer than five seconds.
"""

from collections.abc import Mapping
from typing import Any, Final

USER: Final = 1000
POD_DEFAULTS: Final = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_DEFAULTS: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
"""``/tmp`` and ``/var/run/asya`` are volumes, so a read-only root breaks only what writes elsewhere."""

_LISTENS: Final = (
    "n=0; while [ $n -lt 50 ]; do "
    "while read -r name mask; do "
    "case $name$mask in SigCgt:*[4-7c-f]???|SigBlk:*[4-7c-f]???) exit 0;; esac; "
    "done </proc/1/status; "
    "n=$((n+1)); sleep 0.1; done"
)
LIFECYCLE: Final[dict[str, Any]] = {"preStop": {"exec": {"command": ["sh", "-c", _LISTENS]}}}
"""``lifecycle`` of a container that handles SIGTERM; needs ``sh`` in its image, as the probes do."""


def secure_pod(spec: Mapping[str, Any], user: int | None = USER) -> dict[str, Any]:
    """The pod's security context and the handling of its service account token.

    The token is mounted only for a service account that the template names: a handler does not talk to the cluster.

    Args:
        spec: As the author has it.
        user: Its user and groups, where the author names none; ``None`` leaves them to the cluster.
    """
    ids = {} if user is None else {"runAsUser": user, "runAsGroup": user, "fsGroup": user}
    found = _secured({**POD_DEFAULTS, **ids}, spec)
    if not spec.get("serviceAccountName") and "automountServiceAccountToken" not in spec:
        found["automountServiceAccountToken"] = False
    return found


def secure_container(container: Mapping[str, Any]) -> dict[str, Any]:
    """A container with what its security context lacks."""
    return {**container, **_secured(CONTAINER_DEFAULTS, container)}


def _secured(defaults: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults under the user's own, of which a null leaves a field, or all of it, to the cluster.

    Who asks for root gets no ``runAsNonRoot``, which would stop the container.
    """
    own = part.get("securityContext", {})
    if own is None:
        return {"securityContext": None}
    root = {"runAsNonRoot": False} if own.get("runAsUser") == 0 else {}
    return {"securityContext": {**defaults, **root, **own}}
