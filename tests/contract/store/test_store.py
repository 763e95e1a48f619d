"""One contract for the object stores: a folder, S3 as two servers play it, and S3 as moto plays it inside this process.

The hooks on requests and the life of a bucket need moto's: there every test has an account of its own.
"""

import contextlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.awsrequest import AWSResponse, HTTPHeaders
from moto import mock_aws

from asya_local.localstack import is_healthy
from asya_protocol.errors import StoreUnavailable
from asya_store.folder import FolderStore
from asya_store.port import Store
from asya_store.s3 import ATTEMPTS, S3Store, open_s3_client
from asya_store.settings import StoreSettings
from lab.servers.localstack import localstack_endpoint
from lab.servers.seaweedfs import ACCESS_KEY, SECRET_KEY, seaweedfs_endpoint

__all__ = ["localstack_endpoint", "seaweedfs_endpoint"]
SEAWEEDFS = "SeaweedFS"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield


@pytest.fixture(params=["folder", "s3", "s3 on a server", SEAWEEDFS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "made" / "when needed")
    if request.param == "s3":
        request.getfixturevalue("aws")
        return s3_store()
    if request.param == SEAWEEDFS:
        return request.getfixturevalue("seaweed_store")  # type: ignore[no-any-return]
    return s3_store(bucket=f"asya-{uuid4().hex}", endpoint=request.getfixturevalue("localstack_endpoint"))


@pytest.fixture
def seaweed_store(seaweedfs_endpoint: str) -> Iterator[S3Store]:
    bucket = f"asya-{uuid4().hex}"
    settings = StoreSettings(bucket=bucket, access_key=ACCESS_KEY, secret_key=SECRET_KEY, endpoint=seaweedfs_endpoint)
    client = open_s3_client(settings)
    made = S3Store(client, bucket, settings.region)
    yield made
    # Every bucket takes room of its own.
    for key in made.list(""):
        made.delete(key)
    with contextlib.suppress(client.exceptions.NoSuchBucket):
        client.delete_bucket(Bucket=bucket)


@pytest.fixture(params=["folder", "s3 on a server", SEAWEEDFS])
def shared_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Stores that can tell who was first; moto looks for an object and writes it in two steps, between which others come."""
    if request.param == "folder":
        return FolderStore(tmp_path)
    if request.param == SEAWEEDFS:
        return request.getfixturevalue("seaweed_store")  # type: ignore[no-any-return]
    endpoint = request.getfixturevalue("localstack_endpoint")
    if not is_healthy(endpoint):
        pytest.skip("moto stands in for LocalStack, and looks for an object and writes it in two steps")
    return s3_store(bucket=f"asya-{uuid4().hex}", endpoint=endpoint)


def s3_store(region: str = "us-east-1", bucket: str = "asya-results", endpoint: str | None = None) -> S3Store:
    settings = StoreSettings(bucket=bucket, region=region, access_key="k", secret_key="s", endpoint=endpoint)
    return S3Store(open_s3_client(settings), bucket, region)


def test_an_object_is_read_as_it_was_written(store: Store) -> None:
    store.put("a/b.json", b"\x00\xff")
    assert store.get("a/b.json") == b"\x00\xff"


def test_a_second_write_replaces_the_first_and_its_metadata(store: Store) -> None:
    store.put("a.json", b"one", metadata={"asya-note": "x"})
    store.put("a.json", b"two")
    info = store.info("a.json")
    assert store.get("a.json") == b"two"
    assert info is not None
    assert info.metadata == {}


def test_metadata_and_time_are_told_without_reading(store: Store) -> None:
    store.put("a/b%2Fc.json", b"{}", metadata={"asya-dated-key": "a/2026/b%2Fc.json"})
    info = store.info("a/b%2Fc.json")
    assert info is not None
    assert info.metadata == {"asya-dated-key": "a/2026/b%2Fc.json"}
    assert info.modified_s > 1_700_000_000


def test_what_is_created_is_not_created_again(store: Store) -> None:
    assert store.create("fan-in/g/winner", b"first")
    assert not store.create("fan-in/g/winner", b"second")
    assert store.get("fan-in/g/winner") == b"first"
    assert store.create("fan-in/g/other", b"x")


def test_of_many_who_create_an_object_at_once_one_wins(shared_store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        for key in map(str, range(20)):
            won = list(threads.map(lambda number, key=key: shared_store.create(key, str(number).encode()), range(8)))
            assert won.count(True) == 1
            assert shared_store.get(key) == str(won.index(True)).encode()


def test_a_deleted_object_is_gone_and_deleting_it_again_is_no_error(store: Store) -> None:
    store.put("a/b.json", b"{}", metadata={"asya-note": "x"})
    store.delete("a/b.json")
    store.delete("a/b.json")
    store.delete("never/there.json")
    assert (store.get("a/b.json"), store.info("a/b.json"), store.list("")) == (None, None, [])


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.get("a/b.json") is None
    assert store.info("a/b.json") is None
    assert store.list("a/") == []


def test_keys_are_listed_by_prefix_in_order(store: Store) -> None:
    for key in ("b/2.json", "b/1/x.json", "bc.json", "a.json"):
        store.put(key, b"{}", metadata={"asya-note": "not an object of its own"})
    assert store.list("b/") == ["b/1/x.json", "b/2.json"]
    assert store.list("b") == ["b/1/x.json", "b/2.json", "bc.json"]
    assert store.list("") == ["a.json", "b/1/x.json", "b/2.json", "bc.json"]


@pytest.mark.parametrize("key", ["../x", "a/../x", "/etc/x", "a//b", ".hidden"])
def test_a_folder_refuses_keys_that_lead_elsewhere(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="segment"):
        FolderStore(tmp_path).put(key, b"{}")


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_a_missing_bucket_is_made_in_its_region(region: str) -> None:
    s3_store(region).put("a.json", b"{}")
    client = open_s3_client(StoreSettings(region=region, access_key="k", secret_key="s"))
    constraint = client.get_bucket_location(Bucket="asya-results").get("LocationConstraint")
    assert constraint == (None if region == "us-east-1" else region)


@pytest.mark.usefixtures("aws")
def test_a_bucket_that_two_replicas_make_is_no_failure() -> None:
    one, other = s3_store(), s3_store()
    one.put("a.json", b"1")
    other.put("b.json", b"2")
    assert one.list("") == ["a.json", "b.json"]


@pytest.mark.usefixtures("aws")
def test_the_bucket_is_looked_for_once_per_process_and_again_when_it_is_gone() -> None:
    settings = StoreSettings(access_key="k", secret_key="s")
    client = open_s3_client(settings)
    calls: list[str] = []
    client.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    store = S3Store(client, "asya-results", "us-east-1")
    store.put("a.json", b"{}")
    store.put("b.json", b"{}")
    assert calls == ["HeadBucket", "CreateBucket", "PutObject", "PutObject"]
    for key in ("a.json", "b.json"):
        client.delete_object(Bucket="asya-results", Key=key)
    client.delete_bucket(Bucket="asya-results")
    store.put("c.json", b"{}")
    assert store.list("") == ["c.json"]


class Body(io.BytesIO):
    """A response's body as botocore reads it from urllib3."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


class Unsteady:
    """Answers for S3 with 503 so often, then lets requests through to moto."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.requests = 0

    def __call__(self, request: Any, **_: object) -> AWSResponse | None:
        self.requests += 1
        if self.requests > self.failures:
            return None
        return AWSResponse(request.url, 503, HTTPHeaders(), Body(b"<Error><Code>SlowDown</Code></Error>"))


def answer_with(store: S3Store, unsteady: Unsteady) -> None:
    events: Any = store._client.meta.events  # typed as if hooks returned nothing; those of before-send may answer
    events.register_first("before-send.s3", unsteady)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, noted instead of made."""
    noted: list[float] = []

    class Clock:
        sleep = staticmethod(noted.append)

    monkeypatch.setattr("botocore.endpoint.time", Clock)
    return noted


@pytest.mark.usefixtures("aws")
def test_a_failure_that_passes_is_tried_again_with_growing_pauses(pauses: list[float]) -> None:
    store = s3_store()
    store.put("before.json", b"{}")
    unsteady = Unsteady(failures=ATTEMPTS - 1)
    answer_with(store, unsteady)
    store.put("a.json", b"{}")
    assert unsteady.requests == ATTEMPTS
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.usefixtures("aws")
def test_a_failure_that_stays_is_raised(pauses: list[float]) -> None:
    store = s3_store()
    store.put("before.json", b"{}")
    unsteady = Unsteady(failures=1000)
    answer_with(store, unsteady)
    with pytest.raises(StoreUnavailable, match="SlowDown"):
        store.put("a.json", b"{}")
    assert (unsteady.requests, len(pauses)) == (ATTEMPTS, ATTEMPTS - 1)


def test_an_endpoint_that_is_not_there_is_raised(pauses: list[float]) -> None:
    settings = StoreSettings(endpoint="http://127.0.0.1:9", access_key="k", secret_key="s")
    with pytest.raises(StoreUnavailable, match="Could not connect"):
        S3Store(open_s3_client(settings), "b", "us-east-1").put("a.json", b"{}")
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.usefixtures("aws")
def test_every_request_says_whose_bucket_it_means() -> None:
    """AWS answers 403 where it is another's; no stand-in does, so that what is sent is looked at."""
    client = open_s3_client(StoreSettings(access_key="k", secret_key="s", owner="123456789012"))
    said: dict[str, str | None] = {}
    client.meta.events.register(
        "before-call.s3",
        lambda model, params, **_: said.update({model.name: params["headers"].get("x-amz-expected-bucket-owner")}),
    )
    store = S3Store(client, "asya-results", "us-east-1")
    store.put("a.json", b"{}")
    assert (store.create("b.json", b"{}"), store.get("a.json"), store.list("")) == (True, b"{}", ["a.json", "b.json"])
    assert store.info("a.json") is not None
    store.delete("a.json")
    assert said.pop("CreateBucket") is None, "what is made is ours"
    assert said == dict.fromkeys(
        ("HeadBucket", "PutObject", "GetObject", "HeadObject", "ListObjectsV2", "DeleteObject"), "123456789012"
    )
