"""The role that the gateway has at the Postgres in the cluster: it owns its tables, older ones too, and nothing else."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from asya_gateway.records.record import Record
from asya_gateway.store.postgres import PostgresStore
from asya_oss.databases import DATABASE, GATEWAY_USER, METRICS_USER, USER, role_sql
from lab.servers.postgres import PostgresServer, postgres

__all__ = ["postgres"]
pytestmark = pytest.mark.xdist_group("postgres")
METRICS_PASSWORD = "cc33"


def make_role(postgres: PostgresServer, folder: Path, password: str) -> None:
    """As the server's pod does at each start."""
    script = folder / "role.sql"
    script.write_text(role_sql(password, METRICS_PASSWORD), encoding="utf-8")
    argv = ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script), as_user(postgres, USER)]
    subprocess.run(argv, check=True, timeout=60)


def as_user(postgres: PostgresServer, user: str) -> str:
    return postgres.url.replace(f"//{USER}@", f"//{user}@").removesuffix("postgres") + DATABASE


def new_database(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())


async def test_it_takes_over_what_an_older_gateway_made_as_the_owner_of_the_server(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    new_database(postgres)
    older = PostgresStore(as_user(postgres, USER), 1, 2)
    await older.open(lambda _: None)
    now = datetime.now(UTC)
    assert await older.create(Record("kept", ("a",), now, now, owner="me"))
    await older.close()
    for password in ("aa11", "bb22"):
        make_role(postgres, tmp_path, password)
    store = PostgresStore(as_user(postgres, GATEWAY_USER), 1, 2)
    await store.open(lambda _: None)
    kept = await store.get("kept")
    assert kept is not None
    assert await store.create(Record("new", ("a",), now, now, owner="me"))
    await store.close()


async def test_it_makes_the_schema_of_an_empty_database(postgres: PostgresServer, tmp_path: Path) -> None:
    new_database(postgres)
    make_role(postgres, tmp_path, "aa11")
    store = PostgresStore(as_user(postgres, GATEWAY_USER), 1, 2)
    await store.open(lambda _: None)
    await store.close()
    with psycopg.connect(as_user(postgres, GATEWAY_USER)) as connection:
        owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
        (rights,) = connection.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = %s",
            [GATEWAY_USER],
        ).fetchall()
    assert (owners, rights) == ([(GATEWAY_USER,)], (False,) * 5)


def test_nobody_else_may_connect_to_its_database(postgres: PostgresServer, tmp_path: Path) -> None:
    new_database(postgres)
    make_role(postgres, tmp_path, "aa11")
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS stranger")
        connection.execute("CREATE ROLE stranger LOGIN")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(as_user(postgres, "stranger"))


def test_the_exporter_reads_statistics_and_no_envelope(postgres: PostgresServer, tmp_path: Path) -> None:
    new_database(postgres)
    make_role(postgres, tmp_path, "aa11")
    with psycopg.connect(as_user(postgres, GATEWAY_USER), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (id text)")
    with psycopg.connect(as_user(postgres, METRICS_USER)) as connection:
        assert connection.execute("SELECT count(*) FROM pg_stat_activity").fetchone()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM kept")
