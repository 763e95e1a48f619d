"""The mesh on AWS: VPC, EKS, SQS, S3, RDS, and a role for each duty.

``Aws`` fills the ports of ``asya_infra.ports`` for one stack; the components can be used one by one as well.
"""

from asya_aws.checks import check_together, read_aws_settings
from asya_aws.eks import EksCluster
from asya_aws.environment import Aws
from asya_aws.identity import PodRole, PodRoles
from asya_aws.network import Network
from asya_aws.registry import ImageRegistry
from asya_aws.scope import Scope
from asya_aws.settings import AwsSettings
from asya_aws.storage import GatewayDatabase, MeshKey, ResultStore

__all__ = [
    "Aws",
    "AwsSettings",
    "EksCluster",
    "GatewayDatabase",
    "ImageRegistry",
    "MeshKey",
    "Network",
    "PodRole",
    "PodRoles",
    "ResultStore",
    "Scope",
    "check_together",
    "read_aws_settings",
]
