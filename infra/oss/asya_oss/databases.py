"""Databases: Postgres in the cluster, and one that exists."""

from typing import Final
from urllib.parse import quote

import pulumi

from asya_infra.errors import ConfigError
from asya_infra.gateway_objects import NAME as GATEWAY
from asya_infra.installation import namespace_peer, secret
from asya_infra.pod_shapes import resources, settings_digest
from asya_infra.ports import Cluster, Database
from asya_infra.settings import Settings
from asya_oss import images
from asya_oss.accounts import password_of
from asya_oss.server import Server

NAME: Final = "asya-postgres"
USER: Final = "asya"
DATABASE: Final = "asya"
USER_ID: Final = 999
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
    role: pulumi.Output[str] = pulumi.Output.secret(password.apply(role_sql))
    server = Server(
        "Postgres",
        NAME,
        cluster=cluster,
        image=settings.third_party.get("postgres", images.POSTGRES),
        ports={"postgres": 5432},
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
        extra=[secret(f"{NAME}-role", NAME, {"role.sql": role})],
        annotations={"asya.sh/settings": settings_digest({"role": role})},
        data="/var/lib/postgresql/data",
        size="5Gi",
        auth=settings.registry_auth,
        user=USER_ID,
        scratch=("/tmp", "/var/run/postgresql"),  # noqa: S108 - the pod's own
    )
    url = pulumi.Output.all(server.address, password).apply(
        lambda known: f"postgresql://{GATEWAY_USER}:{quote(known[1], safe='')}@{known[0]}:5432/{DATABASE}"
    )
    return Database(url=pulumi.Output.secret(url), ready=tuple(server.objects))


def role_sql(password: str) -> str:
    """Make the gateway's role, no superuser: it owns the schema and what older versions made there, and nothing else.

    Args:
        password: Of the role; hexadecimal digits.
    """
    return f"""SELECT 'CREATE ROLE {GATEWAY_USER} LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{GATEWAY_USER}') \\gexec
ALTER ROLE {GATEWAY_USER} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '{password}';
REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC;
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
    return Database(url=pulumi.Output.secret(settings.database_url))
