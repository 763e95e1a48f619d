"""The component provider of ``infra/plugin``: Pulumi's own, whose schema also says which inputs are secrets.

Pulumi's analyser reads names, types and descriptions from ``asya_infra.remote`` and knows no secrets. With them in the schema
the classes that ``pulumi package add`` writes hide such an input before it leaves a program, and YAML does the same.
Source: https://www.pulumi.com/docs/iac/extending-pulumi/schema/, property ``secret``.
"""

import json
from typing import Any

from pulumi.provider.experimental.component import ComponentProvider

from asya_infra.remote import COMPONENTS, PACKAGE, SECRET_INPUTS
from asya_infra.settings import VERSION


class AsyaProvider(ComponentProvider):
    """Makes AsyncActors and McpTools for programs in any language."""

    def __init__(self) -> None:
        super().__init__(COMPONENTS, PACKAGE, version=VERSION)
        self.schema = json.dumps(with_secrets(json.loads(self.schema or "{}")))


def with_secrets(schema: dict[str, Any]) -> dict[str, Any]:
    """Mark the inputs that are secrets, wherever a component has them. Changes and returns the schema."""
    for resource in schema["resources"].values():
        for name in SECRET_INPUTS & resource["inputProperties"].keys():
            resource["inputProperties"][name]["secret"] = True
    return schema
