"""Write infra/plugin/schema.json from the components that programs in other languages see; with ``--check`` only compare."""

import argparse
import json
from typing import Any, Final

from asya_infra.component_provider import AsyaProvider
from lab.checkout import ROOT
from tools.tree import write_or_compare

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
    document: dict[str, Any] = json.loads(AsyaProvider().schema or "{}")
    return document


if __name__ == "__main__":
    main()
