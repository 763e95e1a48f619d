"""Write infra/plugin/schema.json from the components that programs in other languages see; with ``--check`` only compare."""

import argparse
import json
from typing import Any, Final

from pulumi.provider.experimental.analyzer import Analyzer
from pulumi.provider.experimental.schema import generate_schema

from asya_infra.remote import COMPONENTS, PACKAGE
from asya_infra.settings import VERSION
from tools.tree import ROOT, write_or_compare

PAGE: Final = ROOT / "infra" / "plugin" / "schema.json"


def main() -> None:
    """Write the schema, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the schema differs")
    arguments = parser.parse_args()
    text = json.dumps(schema(), indent=2, sort_keys=True) + "\n"
    write_or_compare(PAGE, text, check=arguments.check, command="make docs")


def schema() -> dict[str, Any]:
    """What the provider answers when an engine asks for its schema."""
    found = Analyzer(PACKAGE).analyze(COMPONENTS)
    made = generate_schema(
        PACKAGE,
        VERSION,
        None,
        found["component_definitions"],
        found["type_definitions"],
        sorted(found["dependencies"], key=str),
    )
    document: dict[str, Any] = made.to_json()
    return document


if __name__ == "__main__":
    main()
