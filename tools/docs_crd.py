"""Write deploy/operator/crd.yaml from the operator's models; with ``--check`` only compare."""

import argparse
from typing import Final

from asya_operator.crd import dump_crd
from lab.checkout import ROOT
from tools.tree import write_or_compare

PAGE: Final = ROOT / "deploy" / "operator" / "crd.yaml"


def main() -> None:
    """Write the definition, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the file differs")
    arguments = parser.parse_args()
    write_or_compare(PAGE, dump_crd(), check=arguments.check, command="make docs")


if __name__ == "__main__":
    main()
