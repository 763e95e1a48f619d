"""The parts of an environment on any Kubernetes: clusters, brokers, stores and databases without a cloud.

Each function takes the stack's settings (and the cluster) and fills one port of ``asya_infra.ports``.
"""

from asya_oss.brokers import rabbitmq, rabbitmq_endpoint, sqs_endpoint
from asya_oss.clusters import kind_cluster, kubeconfig_cluster
from asya_oss.databases import postgres, url_database
from asya_oss.stores import s3_endpoint, seaweedfs

__all__ = [
    "kind_cluster",
    "kubeconfig_cluster",
    "postgres",
    "rabbitmq",
    "rabbitmq_endpoint",
    "s3_endpoint",
    "seaweedfs",
    "sqs_endpoint",
    "url_database",
]
