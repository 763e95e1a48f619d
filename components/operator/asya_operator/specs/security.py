"""Security defaults that let an actor's pods pass Pod Security ``restricted``; what the user sets wins. Pure."""

from collections.abc import Mapping
from typing import Any, Final

USER: Final = 1000
POD_DEFAULTS: Final = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_DEFAULTS: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
"""``/tmp`` and ``/var/run/asya`` are volumes, so a read-only root breaks only what writes elsewhere."""


def secure_pod(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The pod's security context and the handling of its service account token.

    The token is mounted only for a service account that somebody named: a handler does not talk to the cluster.
    """
    found: dict[str, Any] = {"securityContext": _merged(POD_DEFAULTS, spec.get("securityContext"))}
    if not spec.get("serviceAccountName") and "automountServiceAccountToken" not in spec:
        found["automountServiceAccountToken"] = False
    return found


def secure_container(container: Mapping[str, Any]) -> dict[str, Any]:
    """A container with what its security context lacks."""
    return {**container, "securityContext": _merged(CONTAINER_DEFAULTS, container.get("securityContext"))}


def _merged(defaults: Mapping[str, Any], own: Mapping[str, Any] | None) -> dict[str, Any]:
    """The defaults under the user's own; who asks for root gets no ``runAsNonRoot``, which would stop the container."""
    own = own or {}
    root = {"runAsNonRoot": False} if own.get("runAsUser") == 0 else {}
    return {**defaults, **root, **own}
