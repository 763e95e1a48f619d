"""Images of other projects, pinned, each from an upstream that still gets fixes (checked in November 2026).

Not MinIO: its repository was archived and its images frozen in 2026. Not Bitnami: its free images stopped in 2025.
"""

from typing import Final

RABBITMQ: Final = "docker.io/library/rabbitmq:4.3.6-management"
"""Quorum queues, delivery limits; its management API is what KEDA reads. Docker Official Image."""
POSTGRES: Final = "docker.io/library/postgres:17.12"
"""Docker Official Image."""
POSTGRES_EXPORTER: Final = "quay.io/prometheuscommunity/postgres-exporter:v0.20.1"
"""What Prometheus reads of Postgres."""
SEAWEEDFS: Final = "docker.io/chrislusf/seaweedfs:4.53"
"""An S3 store under the Apache licence, one process for all of it; tests run the same version, built from its module."""
