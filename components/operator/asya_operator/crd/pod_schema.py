"""The schema of a pod template: open, and typed only where a rule has to read it. Pure.

Kubernetes judges the rest when the pod is made; a template may use what a newer cluster knows.
"""

from typing import Final

from asya_operator.crd import rules
from asya_operator.crd.structural import Schema

MAX_CONTAINERS: Final = 64
MAX_VOLUMES: Final = 256
MAX_ARGUMENTS: Final = 1024
NAME_LENGTH: Final = 63
"""Of a container and of a volume: a DNS label."""


def pod_template_schema() -> Schema:
    """The schema of ``workload.template``."""
    return {
        "type": "object",
        "description": "The pods' template, as a Deployment has it; the operator adds its sidecar, volumes and probes.",
        "properties": {
            "metadata": _open("Labels and annotations of the pods."),
            "spec": {
                **_open("A pod's spec; the container 'asya-runtime' runs the handler."),
                "properties": {
                    "containers": _containers(rules.CONTAINER_NAME, rules.COMMAND),
                    "initContainers": _containers(rules.INIT_CONTAINER_NAME, []),
                    "volumes": _named(MAX_VOLUMES, rules.VOLUME_NAME, {}, []),
                },
            },
        },
    }


def _open(description: str) -> Schema:
    return {"type": "object", "description": description, "x-kubernetes-preserve-unknown-fields": True}


def _containers(for_name: rules.Rules, for_item: rules.Rules) -> Schema:
    command = {"type": "array", "maxItems": MAX_ARGUMENTS, "items": {"type": "string"}}
    return _named(MAX_CONTAINERS, for_name, {"command": command}, for_item)


def _named(most: int, for_name: rules.Rules, more: Schema, for_item: rules.Rules) -> Schema:
    """A list of open objects of which a rule reads the name."""
    name = {"type": "string", "maxLength": NAME_LENGTH, "x-kubernetes-validations": for_name}
    item: Schema = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": name, **more},
        "x-kubernetes-preserve-unknown-fields": True,
        **({"x-kubernetes-validations": for_item} if for_item else {}),
    }
    return {"type": "array", "maxItems": most, "items": item}
