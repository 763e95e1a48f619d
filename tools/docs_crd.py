"""Write what of deploy/operator comes from the operator's models, definitions and policy; with ``--check`` only compare."""

from typing import Final

import yaml

from asya_operator.crd import dump_crd, dump_limit_crd
from asya_operator.specs.admission_policy import admission_policy
from lab.checkout import ROOT
from tools.tree import write_all

FOLDER: Final = ROOT / "deploy" / "operator"
_POLICY: Final = """# Kubernetes itself refuses what the operator does: kubectl apply -f deploy/operator/admission-policy.yaml
# Not for a mesh whose operator has ASYA_ACTOR_POLICY=off. Made from the operator's tables by `make docs`.
"""


def main() -> None:
    """Write the definitions, or compare them."""
    policy = yaml.safe_dump_all(admission_policy(), sort_keys=False, width=10_000)
    files = {"crd.yaml": dump_crd(), "crd-limits.yaml": dump_limit_crd(), "admission-policy.yaml": _POLICY + policy}
    write_all(((FOLDER / name, text) for name, text in files.items()), __doc__)


if __name__ == "__main__":
    main()
