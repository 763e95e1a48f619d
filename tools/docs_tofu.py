"""Write what is generated of deploy/tofu from the builders of asya_aws; with ``--check`` only compare.

Generated are the IAM documents, as templates whose variables are the fields of a ``Scope``, and the prefixes of the bucket.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from asya_aws import policies, storage
from asya_aws.scope import Scope
from asya_infra.installation import CREW
from lab.checkout import ROOT
from tools.tree import write_all

FOLDER: Final = ROOT / "deploy" / "tofu" / "aws" / "made"
SCOPE: Final = Scope(
    region="${region}",
    account="${account}",
    partition="${partition}",
    dns_suffix="${dns_suffix}",
    prefix="${prefix}",
    key_arn="${key_arn}",
    bucket="${bucket}",
)
ACTOR: Final = "${actor}"


def main() -> None:
    """Write the files, or compare them."""
    write_all(files(), __doc__)


def files() -> Iterator[tuple[Path, str]]:
    """Yield every generated file and its text."""
    for name, document in documents(SCOPE, ACTOR).items():
        yield FOLDER / f"{name}.json.tftpl", _text(document)
    yield (
        FOLDER / "trust.json.tftpl",
        _text(policies.trusts_pod(SCOPE, "${cluster_arn}", "${namespace}", "${account_name}")),
    )
    yield FOLDER / "prefixes.json", _text({"results": storage.RESULTS, "passing": storage.PASSING})


def documents(scope: Scope, actor: str) -> dict[str, policies.Document]:
    """What each duty may do, and who may use key and bucket."""
    return {
        "operator": policies.operator(scope),
        "keda": policies.keda(scope),
        "gateway": policies.gateway(scope),
        "actor": policies.actor(scope, actor),
        **{name: policies.crew(scope, name) for name in CREW},
        "key": policies.key_policy(scope),
        "bucket": policies.tls_only_bucket(scope.bucket_arn),
    }


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(value, indent=2) + "\n"


if __name__ == "__main__":
    main()
