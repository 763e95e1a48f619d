"""What only the SeaweedFS of the Pulumi program has to show: what it keeps, whom it lets in, and where it listens."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import psutil
import pytest

from asya_protocol.claim import read_claim
from asya_protocol.errors import StoreUnavailable
from asya_store.claims import ClaimCheck, ClaimRedeemed
from asya_store.results import find_result, persist
from asya_store.s3 import S3Store, open_s3_client
from asya_store.settings import StoreSettings
from lab.servers.seaweedfs import ACCESS_KEY, SECRET_KEY, SeaweedServer

pytestmark = pytest.mark.xdist_group("seaweedfs")


@pytest.fixture(scope="module")
def server() -> Iterator[SeaweedServer]:
    with SeaweedServer() as made:
        yield made


def store(server: SeaweedServer, bucket: str, secret_key: str = SECRET_KEY) -> S3Store:
    settings = StoreSettings(bucket=bucket, access_key=ACCESS_KEY, secret_key=secret_key, endpoint=server.endpoint)
    return S3Store(open_s3_client(settings), bucket, settings.region)


def test_more_than_one_mesh_finds_room_and_a_restart_finds_everything(server: SeaweedServer) -> None:
    """A bucket takes seven volumes; with SeaweedFS's own bound of eight the second would have none."""
    buckets = [f"mesh-{number}" for number in range(3)]
    for bucket in buckets:
        store(server, bucket).put("a.json", bucket.encode())
    server.stop()
    server.start()
    assert [store(server, bucket).get("a.json") for bucket in buckets] == [bucket.encode() for bucket in buckets]


def test_master_volumes_and_filer_which_ask_for_no_credentials_are_not_reached_from_elsewhere(
    server: SeaweedServer,
) -> None:
    """S3's second port the program's network policy keeps closed."""
    listening = [
        each for each in psutil.Process(server.pid).net_connections("inet") if each.status == psutil.CONN_LISTEN
    ]
    assert {each.laddr.port for each in listening if each.laddr.ip not in {"127.0.0.1", "::1"}} == server.outer_ports


def test_a_wrong_key_is_refused(server: SeaweedServer) -> None:
    with pytest.raises(StoreUnavailable, match="SignatureDoesNotMatch"):
        store(server, "mesh-0", "wrong").put("b.json", b"{}")


def test_claims_and_results_go_through_it(server: SeaweedServer) -> None:
    kept, envelope = store(server, "mesh-0"), {"id": "e/1", "route": {"actors": ["a"]}, "payload": "x" * 1000}
    desk = ClaimCheck(kept, 500)
    claim = read_claim(json.loads(desk.leave(json.dumps(envelope).encode()))["headers"], "e/1")
    assert claim is not None
    assert json.loads(desk.fetch(claim)) == envelope["payload"]
    desk.redeem(claim)
    with pytest.raises(ClaimRedeemed):
        desk.fetch(claim)
    persist(kept, "happy-asya/", envelope, datetime(2026, 11, 30, tzinfo=UTC))
    found = find_result(kept, {}, "e/1")
    assert found is not None and found[1] == envelope
