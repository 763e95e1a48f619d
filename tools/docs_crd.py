"""Write deploy/operator/crd.yaml and crd-limits.yaml from the operator's models; with ``--check`` only compare."""

import argparse
from typing import Final

from asya_operator.crd import dump_crd, dump_limit_crd
from lab.checkout import ROOT
from tools.tree import write_or_compare

FOLDER: Final = ROOT / "deploy" / "operator"


def main() -> None:
    """Write the definitions, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the file differs")
    arguments = parser.parse_args()
    for name, text in (("crd.yaml", dump_crd()), ("crd-limits.yaml", dump_limit_crd())):
        write_or_compare(FOLDER / name, text, check=arguments.check, command="make docs")


if __name__ == "__main__":
    main()
