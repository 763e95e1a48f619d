"""``python -m lab.pulumi_standins.aws ENGINE``: what the engine starts as pulumi-resource-aws."""

from importlib.metadata import version
from typing import Any, Final

from lab.pulumi_standins.aws import cloudwatch, ec2, ec2_routing, eks, iam, kms, rds, s3, secretsmanager, sqs
from lab.pulumi_standins.aws.clients import Clients
from lab.pulumi_standins.aws.functions import FUNCTIONS
from lab.pulumi_standins.kind import Kind
from lab.pulumi_standins.plugin import Plugin, serve

KINDS: Final[dict[str, Kind[Any]]] = {
    **sqs.KINDS,
    **s3.KINDS,
    **iam.KINDS,
    **ec2.KINDS,
    **ec2_routing.KINDS,
    **kms.KINDS,
    **secretsmanager.KINDS,
    **cloudwatch.KINDS,
    **eks.KINDS,
    **rds.KINDS,
}

if __name__ == "__main__":
    serve(
        Plugin(
            name="aws",
            version=version("pulumi-aws"),
            sdk="pulumi_aws",
            kinds=KINDS,
            functions=FUNCTIONS,
            connect=Clients,
        )
    )
