"""The schema of a pod template: open, and typed only where a rule has to read it. Pure.

Kubernetes judges the rest when the pod is made; a template may use what a newer cluster knows.
"""

from typing import Final

from asya_operator.crd import rules
from asya_operator.crd.structural import Schema

MAX_CONTAINERS: Final = 64
MAX_VOLUMES: Final = 256
MAX_PORTS: Final = 64
MAX_ARGUMENTS: Final = 1024
NAME_LENGTH: Final = 63
"""Of a container and of a volume: a DNS label."""
PATH_LENGTH: Final = 4096


def pod_template_schema() -> Schema:
    """The schema of ``workload.template``."""
    pod = {
        "containers": _containers(rules.CONTAINER_NAME, rules.COMMAND),
        "initContainers": _containers(rules.INIT_CONTAINER_NAME, []),
        "volumes": _list(MAX_VOLUMES, {"name": _name(rules.VOLUME_NAME)}, key="name"),
        "terminationGracePeriodSeconds": {"type": "integer", "format": "int64", "minimum": 1, "nullable": True},
    }
    return {
        "type": "object",
        "description": "The pods' template, as a Deployment has it; the operator adds its sidecar, volumes and probes.",
        "properties": {
            "metadata": _open("Labels and annotations of the pods."),
            "spec": {**_open("A pod's spec; the container 'asya-runtime' runs the handler."), "properties": pod},
        },
    }


def _open(description: str) -> Schema:
    return {"type": "object", "description": description, "x-kubernetes-preserve-unknown-fields": True}


def _containers(for_name: rules.Rules, for_item: rules.Rules) -> Schema:
    port = {
        "containerPort": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535},
        "protocol": {"type": "string", "maxLength": 8},
    }
    mount = {"mountPath": {"type": "string", "maxLength": PATH_LENGTH}, "name": {"type": "string"}}
    fields = {
        "name": _name(for_name),
        "command": {"type": "array", "maxItems": MAX_ARGUMENTS, "items": {"type": "string"}},
        "ports": _list(MAX_PORTS, port),
        "volumeMounts": _list(MAX_VOLUMES, mount, key="mountPath"),
    }
    return _list(MAX_CONTAINERS, fields, key="name", for_item=for_item)


def _name(for_name: rules.Rules) -> Schema:
    return {"type": "string", "maxLength": NAME_LENGTH, "x-kubernetes-validations": for_name}


def _list(most: int, fields: Schema, *, key: str = "", for_item: rules.Rules | None = None) -> Schema:
    """A list of open objects; by a key, so that overlays and other field managers merge into it item by item."""
    item: Schema = {
        "type": "object",
        "required": [key or next(iter(fields))],
        "properties": fields,
        "x-kubernetes-preserve-unknown-fields": True,
        **({"x-kubernetes-validations": for_item} if for_item else {}),
    }
    by_key = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]} if key else {}
    return {"type": "array", "nullable": True, "maxItems": most, "items": item, **by_key}
