"""Databases: Postgres in the cluster, and one that exists."""

from typing import Final
from urllib.parse import quote

import pulumi

from asya_infra.errors import ConfigError
from asya_infra.installation import Manifest
from asya_infra.pod_shapes import container_security, resources
from asya_infra.ports import Cluster, Database
from asya_infra.settings import Settings
from asya_oss import images
from asya_oss.server import Server

NAME: Final = "asya-postgres"
USER: Final = "asya"
DATABASE: Final = "asya"
USER_ID: Final = 999
METRICS_PORT: Final = 9187


def postgres(settings: Settings, cluster: Cluster) -> Database:
    """Postgres in the cluster: one server, a volume, nobody makes backups."""
    if settings.password is None:
        raise ConfigError(
            "asya:password", "is not set: pulumi config set --secret asya:password $(openssl rand -hex 24)"
        )
    password = settings.password
    told = [_exporter(settings)] if settings.monitoring else []
    server = Server(
        "Postgres",
        NAME,
        cluster=cluster,
        image=settings.third_party.get("postgres", images.POSTGRES),
        ports={"postgres": 5432, **({"metrics": METRICS_PORT} if told else {})},
        credentials={
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD": password,
            "POSTGRES_DB": DATABASE,
            "PGDATA": "/var/lib/postgresql/data/pgdata",
        },
        container={
            "readinessProbe": {"exec": {"command": ["pg_isready", "-U", USER, "-d", DATABASE]}, "periodSeconds": 5},
            "resources": resources("100m", "128Mi", "512Mi"),
        },
        data="/var/lib/postgresql/data",
        size="5Gi",
        auth=settings.registry_auth,
        user=USER_ID,
        scratch=("/tmp", "/var/run/postgresql"),  # noqa: S108 - the pod's own
        beside=told,
    )
    url = pulumi.Output.all(server.address, password).apply(
        lambda known: f"postgresql://{USER}:{quote(known[1], safe='')}@{known[0]}:5432/{DATABASE}"
    )
    return Database(
        url=pulumi.Output.secret(url), ready=tuple(server.objects), metrics=NAME if settings.monitoring else ""
    )


def _exporter(settings: Settings) -> Manifest:
    """Postgres has no metrics of its own: a process beside it asks its views.

    Source: https://github.com/prometheus-community/postgres_exporter
    """
    return {
        "name": "metrics",
        "image": settings.third_party.get("postgres-exporter", images.POSTGRES_EXPORTER),
        "env": [
            {"name": "DATA_SOURCE_URI", "value": f"127.0.0.1:5432/{DATABASE}?sslmode=disable"},
            {"name": "DATA_SOURCE_USER", "value": USER},
            {
                "name": "DATA_SOURCE_PASS",
                "valueFrom": {"secretKeyRef": {"name": NAME, "key": "POSTGRES_PASSWORD"}},
            },
        ],
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        "resources": resources("20m", "32Mi", "128Mi"),
        "securityContext": container_security(),
    }


def url_database(settings: Settings) -> Database:
    """A Postgres that exists, by its URL."""
    if settings.database_url is None:
        raise ConfigError(
            "asya:databaseUrl", "is not set: pulumi config set --secret asya:databaseUrl postgresql://..."
        )
    return Database(url=pulumi.Output.secret(settings.database_url))
