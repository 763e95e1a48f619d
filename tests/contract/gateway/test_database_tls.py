"""The gateway and a Postgres whose certificate comes from an authority of its own: checked as its pods are told to."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from asya_aws.storage import database_url
from asya_gateway.store.postgres import PostgresStore
from lab.cluster.certificates import create
from lab.servers.postgres import PostgresServer, find_programs

pytestmark = pytest.mark.xdist_group("postgres")
VERIFIED = "sslmode=verify-full"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ca.crt`, a server's `api.crt` by it, and `front-ca.crt` of somebody else."""
    folder = tmp_path_factory.mktemp("authority")
    create(folder, "DNS:localhost,IP:127.0.0.1")
    return folder


@pytest.fixture(scope="module")
def server(authority: Path) -> Iterator[PostgresServer]:
    if find_programs() is None:
        pytest.skip("no PostgreSQL here; run: python -m lab.servers.postgres install")
    made = PostgresServer(authority / "api.crt")
    try:
        made.start()
        yield made
    finally:
        made.close()


async def test_the_certificate_is_checked_against_the_authority_that_the_pod_is_given(
    server: PostgresServer, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(authority / "ca.crt"))
    store = PostgresStore(f"{server.url}?{VERIFIED}", 1, 2)
    await store.open(lambda _: None)
    assert await store.get("unknown") is None
    with psycopg.connect(f"{server.url}?{VERIFIED}") as connection:
        found = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    assert found == (True,)
    await store.close()


@pytest.mark.parametrize(
    ("root", "also", "told"),
    [
        ("front-ca.crt", "", "certificate verify failed"),
        ("ca.crt", "&host=elsewhere.example&hostaddr=127.0.0.1", "does not match host name"),
        ("missing.crt", "", "does not exist"),
    ],
    ids=["another's", "another name", "no authority"],
)
def test_another_s_certificate_is_refused(
    server: PostgresServer, authority: Path, root: str, also: str, told: str
) -> None:
    with pytest.raises(psycopg.OperationalError, match=told):
        psycopg.connect(f"{server.url}?{VERIFIED}{also}&sslrootcert={authority / root}")


def test_without_an_authority_rds_is_reached_by_tls_all_the_same(
    server: PostgresServer, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is there, the file is not."""
    monkeypatch.setenv("PGSSLROOTCERT", str(authority / "missing.crt"))
    psycopg.connect(f"{server.url}?sslmode=require").close()
    assert database_url("db", "p", verified=False).endswith("?sslmode=require")
    assert database_url("db", "p", verified=True).endswith(f"?{VERIFIED}")
