"""Pods that an AsyncActor may not ask for, with the field at fault, and pods that it may; for operator and Kubernetes alike."""

from typing import Any, Final


def beside(**fields: object) -> dict[str, Any]:
    """A pod with one more container."""
    return {"containers": [{"name": "beside", "image": "x", **fields}]}


REFUSED: Final[list[tuple[dict[str, Any], str]]] = [
    ({"hostNetwork": True}, "hostNetwork"),
    ({"hostPID": True}, "hostPID"),
    ({"hostIPC": True}, "hostIPC"),
    ({"volumes": [{"name": "node", "hostPath": {"path": "/"}}]}, "volumes[0].hostPath"),
    ({"serviceAccountName": "asya-happy-end"}, "serviceAccountName"),
    (beside(securityContext={"privileged": True}), "securityContext.privileged"),
    (
        beside(securityContext={"capabilities": {"add": ["NET_ADMIN"]}}),
        "securityContext.capabilities.add",
    ),
    (beside(ports=[{"containerPort": 80, "hostPort": 80}]), "ports[0].hostPort"),
    (
        {"initContainers": [{"name": "first", "image": "x", "securityContext": {"privileged": True}}]},
        "initContainers[0].securityContext.privileged",
    ),
]
ALLOWED: Final[list[dict[str, Any]]] = [
    {"serviceAccountName": "models-reader"},
    {"serviceAccountName": "asya-hello-actor"},
    {"hostNetwork": False, "volumes": [{"name": "mine", "emptyDir": {}}]},
    beside(securityContext={"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}),
]
