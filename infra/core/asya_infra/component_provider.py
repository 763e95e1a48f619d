"""The component provider of ``infra/plugin``: Pulumi's own, whose schema also says which inputs are secrets, and whose it is.

Pulumi's analyser reads names, types and descriptions from ``asya_infra.remote`` and knows no secrets. With them in the schema
the classes that ``pulumi package add`` writes hide such an input before it leaves a program, and YAML does the same.
Source: https://www.pulumi.com/docs/iac/extending-pulumi/schema/, property ``secret``.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from pulumi.provider.experimental.component import ComponentProvider

from asya_infra.remote import COMPONENTS, PACKAGE, SECRET_INPUTS
from asya_infra.settings import VERSION

REPOSITORY: Final = "https://github.com/deliveryhero/asya"
ABOUT: Final[Mapping[str, Any]] = {
    "description": "Actors and tools of an Asya mesh, for Pulumi programs in every language",
    "displayName": "Asya",
    "homepage": REPOSITORY,
    "keywords": ["pulumi", "asya", "kubernetes", "category/infrastructure", "kind/component"],
    "license": "Apache-2.0",
    "publisher": "Asya",
    "repository": REPOSITORY,
}
NAMES: Final[Mapping[str, Mapping[str, Any]]] = {
    "nodejs": {"packageName": "@asya/pulumi"},
    "python": {"packageName": "asya_pulumi"},
    "csharp": {"rootNamespace": "Asya.Pulumi"},
    "java": {"basePackage": "sh.asya"},
}
"""What packages are called that are generated; Python's own is asya-infra."""


class AsyaProvider(ComponentProvider):
    """Makes AsyncActors and McpTools for programs in any language."""

    def __init__(self) -> None:
        super().__init__(COMPONENTS, PACKAGE, version=VERSION)
        self.schema = json.dumps(with_package(with_secrets(json.loads(self.schema or "{}"))))


def with_secrets(schema: dict[str, Any]) -> dict[str, Any]:
    """Mark the inputs that are secrets, wherever a component has them. Changes and returns the schema."""
    for resource in schema["resources"].values():
        for name in SECRET_INPUTS & resource["inputProperties"].keys():
            resource["inputProperties"][name]["secret"] = True
    return schema


def with_package(schema: dict[str, Any]) -> dict[str, Any]:
    """Say whose the package is, and the names of what is generated from it. Changes and returns the schema.

    Source: https://www.pulumi.com/docs/iac/extending-pulumi/schema/, Package and the languages' own parts.
    """
    schema.update(ABOUT)
    for language, more in NAMES.items():
        schema["language"].setdefault(language, {}).update(more)
    return schema
