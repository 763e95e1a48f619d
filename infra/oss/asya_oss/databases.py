"""Databases: Postgres in the cluster, and one that exists."""

from typing import Final
from urllib.parse import quote

import pulumi

from asya_infra.errors import ConfigError
from asya_infra.gateway_objects import NAME as GATEWAY
from asya_infra.installation import Manifest, namespace_peer, secret
from asya_infra.pod_shapes import container_security, resources, settings_digest
from asya_infra.ports import Cluster, Database
from asya_infra.settings import Settings
from asya_oss import images
from asya_oss.accounts import password_of
from asya_oss.server import Server

NAME: Final = "asya-postgres"
USER: Final = "asya"
DATABASE: Final = "asya"
USER_ID: Final = 999
METRICS_PORT: Final = 9187
METRICS_USER: Final = "asya_metrics"
GATEWAY_USER: Final = "asya_gateway"
_ROLE_FILE: Final = "/etc/asya/role.sql"
_MAKE_ROLE: Final = f"""for try in $(seq 60); do
  psql -q -v ON_ERROR_STOP=1 -U {USER} -d {DATABASE} -f {_ROLE_FILE} && exit 0
  sleep 1
done
exit 1"""
"""At every start; the image's own server of the first start goes away under it, and then it is tried again."""


def postgres(settings: Settings, cluster: Cluster) -> Database:
    """Postgres in the cluster: one server, a volume, nobody makes backups; reached by the gateway's pods alone."""
    password = password_of(settings, "postgres/gateway")
    watching = password_of(settings, "postgres/metrics")
    role: pulumi.Output[str] = pulumi.Output.secret(
        pulumi.Output.all(password, watching).apply(lambda known: role_sql(known[0], known[1]))
    )
    told = [_exporter(settings)] if settings.monitoring else []
    server = Server(
        "Postgres",
        NAME,
        cluster=cluster,
        image=settings.third_party.get("postgres", images.POSTGRES),
        ports={"postgres": 5432, **({"metrics": METRICS_PORT} if told else {})},
        callers={5432: [namespace_peer(settings.system_namespace, GATEWAY)]},
        credentials={
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD": password_of(settings, "postgres/owner"),
            "POSTGRES_DB": DATABASE,
            "PGDATA": "/var/lib/postgresql/data/pgdata",
        },
        container={
            "readinessProbe": {"exec": {"command": ["pg_isready", "-U", USER, "-d", DATABASE]}, "periodSeconds": 5},
            "lifecycle": {"postStart": {"exec": {"command": ["sh", "-c", _MAKE_ROLE]}}},
            "resources": resources("100m", "128Mi", "512Mi"),
            "volumeMounts": [{"name": "role", "mountPath": "/etc/asya", "readOnly": True}],
        },
        volumes=[{"name": "role", "secret": {"secretName": f"{NAME}-role"}}],
        extra=[
            secret(f"{NAME}-role", NAME, {"role.sql": role}),
            *([secret(f"{NAME}-metrics", NAME, {"password": watching})] if told else []),
        ],
        annotations={"asya.sh/settings": settings_digest({"role": role})},
        data="/var/lib/postgresql/data",
        size="5Gi",
        auth=settings.registry_auth,
        user=USER_ID,
        scratch=("/tmp", "/var/run/postgresql"),  # noqa: S108 - the pod's own
        beside=told,
    )
    url = pulumi.Output.all(server.address, password).apply(
        lambda known: f"postgresql://{GATEWAY_USER}:{quote(known[1], safe='')}@{known[0]}:5432/{DATABASE}"
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
            {"name": "DATA_SOURCE_USER", "value": METRICS_USER},
            {
                "name": "DATA_SOURCE_PASS",
                "valueFrom": {"secretKeyRef": {"name": f"{NAME}-metrics", "key": "password"}},
            },
        ],
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        "resources": resources("20m", "32Mi", "128Mi"),
        "securityContext": container_security(),
    }


def role_sql(password: str, metrics_password: str) -> str:
    """Make the gateway's role and the exporter's, no superusers.

    The first owns the schema and what older versions made there, the second reads statistics alone.

    Args:
        password: Of the gateway's; hexadecimal digits.
        metrics_password: Of the exporter's; hexadecimal digits.
    """
    return f"""SELECT format('CREATE ROLE %I LOGIN', wanted) FROM unnest(ARRAY['{GATEWAY_USER}', '{METRICS_USER}']) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) \\gexec
ALTER ROLE {METRICS_USER} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '{metrics_password}';
GRANT pg_monitor TO {METRICS_USER};
ALTER ROLE {GATEWAY_USER} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '{password}';
REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC;
GRANT CONNECT ON DATABASE {DATABASE} TO {METRICS_USER};
GRANT CONNECT, TEMPORARY ON DATABASE {DATABASE} TO {GATEWAY_USER};
ALTER SCHEMA public OWNER TO {GATEWAY_USER};
SELECT format('ALTER TABLE public.%I OWNER TO {GATEWAY_USER}', tablename)
FROM pg_tables WHERE schemaname = 'public' AND tableowner <> '{GATEWAY_USER}' \\gexec
"""  # noqa: S608 - names are constants, the password is hexadecimal


def url_database(settings: Settings) -> Database:
    """A Postgres that exists, by its URL."""
    if settings.database_url is None:
        raise ConfigError(
            "asya:databaseUrl", "is not set: pulumi config set --secret asya:databaseUrl postgresql://..."
        )
    return Database(url=pulumi.Output.secret(settings.database_url), authority=settings.database_ca)
