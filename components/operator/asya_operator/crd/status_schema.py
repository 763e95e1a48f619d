"""The schema of an AsyncActor's status. Pure."""

from typing import Final

from asya_operator.crd.structural import Schema

_COUNTS: Final = {
    "readyReplicas": "Pods that are ready.",
    "totalReplicas": "Pods of the workload.",
    "pendingReplicas": "Pods that are starting or waiting.",
    "failingPods": "Pods that cannot start or crash.",
    "replicas": "Pods that are ready, as the column Running shows them.",
    "desiredReplicas": "Pods that the workload or its autoscaler wants.",
    "queuedMessages": "Envelopes that wait in the queue.",
    "processingMessages": "Envelopes that are being worked on.",
    "observedGeneration": "The generation of the spec that this status is about.",
}
_TEXTS: Final = {
    "status": "One word for all of it, such as Running, Napping or TransportError.",
    "readySummary": "Conditions that hold, of all.",
    "readyReplicasSummary": "Ready pods, of all.",
    "replicasSummary": "Ready pods, of the desired ones.",
    "transportStatus": "Ready or NotReady.",
    "lastScaleDirection": "up or down.",
    "lastScaleFormatted": "How long ago the number of pods changed, and in which direction.",
    "scalingMode": "KEDA or Manual.",
}


PENDING: Final = {
    "type": "Ready",
    "status": "Unknown",
    "reason": "Pending",
    "message": "Waiting for an operator: one that watches this namespace and keeps actors of this spec.operatorClass",
    "lastTransitionTime": "1970-01-01T00:00:00Z",
}
"""Until an operator has looked at it; the API server writes this, as for objects of the Gateway API that nobody took yet
(https://gateway-api.sigs.k8s.io/reference/spec/#gatewaystatus)."""


def status_schema() -> Schema:
    """The schema of ``status``."""
    fields: dict[str, Schema] = {name: {"type": "integer", "description": text} for name, text in _COUNTS.items()}
    fields |= {name: {"type": "string", "description": text} for name, text in _TEXTS.items()}
    fields |= {
        "lastScaleTime": _moment("When the number of ready pods last changed."),
        "lastMeasureTime": _moment("When this was last written."),
        "workloadRef": _reference("apiVersion", "kind", "name", "namespace"),
        "scaledObjectRef": _reference("name", "namespace"),
        "conditions": {
            "type": "array",
            "items": _condition(),
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    }
    return {
        "type": "object",
        "description": "Written by the operator.",
        "properties": dict(sorted(fields.items())),
        "default": {"conditions": [PENDING]},
    }


def _moment(text: str) -> Schema:
    return {"type": "string", "format": "date-time", "description": text}


def _reference(*names: str) -> Schema:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}}


def _condition() -> Schema:
    """As Kubernetes' own ``metav1.Condition``."""
    return {
        "type": "object",
        "required": ["type", "status", "lastTransitionTime", "reason", "message"],
        "properties": {
            "type": {"type": "string", "maxLength": 316},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
            "lastTransitionTime": {"type": "string", "format": "date-time"},
            "reason": {"type": "string", "minLength": 1, "maxLength": 1024},
            "message": {"type": "string", "maxLength": 32768},
        },
    }
