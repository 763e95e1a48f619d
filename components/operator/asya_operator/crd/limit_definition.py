"""The definition of Limits as one object. Pure."""

from typing import Any, Final

from asya_manifest.limit import LIMIT_KIND, LimitSpec
from asya_operator.crd.definition import GROUP, VERSION, column, dump_definition
from asya_operator.crd.structural import structural_schema

LIMIT_PLURAL: Final = "limits"
LIMIT_CRD_NAME: Final = f"{LIMIT_PLURAL}.{GROUP}"
COLUMNS: Final = (
    ("Requests", "integer", ".spec.requestsPerMinute", 0),
    ("Tokens", "integer", ".spec.tokensPerMinute", 0),
    ("At-Once", "integer", ".spec.concurrency", 0),
    ("Key", "string", ".spec.key", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
)
_SOMETHING: Final = {
    "rule": "has(self.requestsPerMinute) || has(self.tokensPerMinute) || has(self.concurrency)",
    "message": "limits nothing; set requestsPerMinute, tokensPerMinute or concurrency",
}


def build_limit_crd() -> dict[str, Any]:
    """The definition as the API server takes it."""
    spec = structural_schema(LimitSpec)
    spec["x-kubernetes-validations"] = [dict(_SOMETHING)]
    root = {
        "type": "object",
        "description": "How often, how much and how many at once the handlers of all actors that name it may be called.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
        },
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [column(*each) for each in COLUMNS],
        "schema": {"openAPIV3Schema": root},
    }
    names = {
        "kind": LIMIT_KIND,
        "listKind": f"{LIMIT_KIND}List",
        "plural": LIMIT_PLURAL,
        "singular": LIMIT_KIND.lower(),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": LIMIT_CRD_NAME},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def dump_limit_crd() -> str:
    """The definition as YAML, the same text every time."""
    return dump_definition(build_limit_crd())
