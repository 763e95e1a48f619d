"""The definition as one object: names, printer columns, and the schema with its rules in place. Pure."""

from typing import Any, Final

import yaml

from asya_manifest.actor import API_VERSION, KIND, ActorSpec
from asya_operator.crd import rules
from asya_operator.crd.pod_schema import pod_template_schema
from asya_operator.crd.status_schema import status_schema
from asya_operator.crd.structural import Schema, structural_schema

GROUP, VERSION = API_VERSION.split("/")
PLURAL: Final = "asyncactors"
CRD_NAME: Final = f"{PLURAL}.{GROUP}"
SHORT_NAMES: Final = ("asya", "asyas")
WIDE: Final = 1
"""Priority of a column that only ``-o wide`` shows."""
COLUMNS: Final = (
    ("Status", "string", ".status.status", 0),
    ("Running", "integer", ".status.replicas", 0),
    ("Failing", "integer", ".status.failingPods", 0),
    ("Total", "integer", ".status.totalReplicas", 0),
    ("Desired", "integer", ".status.desiredReplicas", 0),
    ("Min", "integer", ".spec.scaling.minReplicas", 0),
    ("Max", "integer", ".spec.scaling.maxReplicas", 0),
    ("Last-Scale", "string", ".status.lastScaleFormatted", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Workload", "string", ".status.workloadRef.kind", WIDE),
    ("Transport", "string", ".status.transportStatus", WIDE),
    ("Scaling", "string", ".status.scalingMode", WIDE),
    ("Queued", "integer", ".status.queuedMessages", WIDE),
    ("Processing", "integer", ".status.processingMessages", WIDE),
)
HEADER: Final = "# Made from the models of the operator by `make docs`; changes belong there.\n"


def build_crd() -> dict[str, Any]:
    """The definition as the API server takes it."""
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column(*each) for each in COLUMNS],
        "schema": {"openAPIV3Schema": _root()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD_NAME},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": list(SHORT_NAMES),
            },
            "versions": [version],
        },
    }


def dump_crd() -> str:
    """The definition as YAML, the same text every time."""
    return dump_definition(build_crd())


def dump_definition(definition: dict[str, Any]) -> str:
    """A definition as the file in which it is kept."""
    return HEADER + yaml.dump(definition, Dumper=_NoAliases, sort_keys=False, width=120, allow_unicode=True)


class _NoAliases(yaml.SafeDumper):
    """Writes a part that occurs twice twice."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def column(name: str, kind: str, path: str, priority: int) -> dict[str, Any]:
    """One of kubectl's columns; those with a priority are in its wide output."""
    return {"name": name, "type": kind, "jsonPath": path, **({"priority": priority} if priority else {})}


def _root() -> Schema:
    return {
        "type": "object",
        "description": "One step of a pipeline: a queue, and the pods that run the handler of its envelopes.",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _spec(),
            "status": status_schema(),
        },
        "x-kubernetes-validations": rules.NAME,
    }


def _spec() -> Schema:
    spec = structural_schema(ActorSpec)
    fields = spec["properties"]
    workload = fields["workload"]
    workload["properties"]["template"] = pod_template_schema()
    workload["properties"]["type"] = {
        "type": "string",
        "enum": workload["properties"]["kind"]["enum"],
        "description": "Another name of 'kind'.",
    }
    # The short form brings them along: rules below ask for them where it is not used.
    spec["required"].remove("workload")
    workload.pop("required")
    fields["transport"]["x-kubernetes-validations"] = rules.TRANSPORT
    fields["scaling"]["x-kubernetes-validations"] = rules.SCALING
    workload["x-kubernetes-validations"] = rules.WORKLOAD
    spec["description"] = "What the actor is; 'workload' may be left out where 'handler' and 'image' are given."
    spec["x-kubernetes-validations"] = rules.SPEC
    return spec
