"""The crew's settings come from Asya 0.1.1's variables, and a wrong one is named."""

import pytest

from asya_process.settings import read
from asya_protocol.errors import SettingsError
from asya_store.factory import open_store
from asya_store.folder import FolderStore
from asya_store.settings import Prefixes, StoreSettings, read_store_settings


def test_defaults_are_the_originals() -> None:
    assert read_store_settings({}) == StoreSettings()
    assert read(Prefixes, {}) == Prefixes(results="happy-asya/", errors="error-asya/")


def test_every_variable_is_read() -> None:
    environ = {
        "ASYA_STORE_URL": "file:///var/lib/asya%20store",
        "ASYA_S3_BUCKET": "b",
        "ASYA_S3_ENDPOINT": "http://minio:9000",
        "ASYA_S3_REGION": "eu-central-1",
        "AWS_REGION": "eu-west-1",
        "ASYA_S3_ACCESS_KEY": "k",
        "ASYA_S3_SECRET_KEY": "s",
    }
    assert read_store_settings(environ) == StoreSettings(
        folder="/var/lib/asya store",
        bucket="b",
        endpoint="http://minio:9000",
        region="eu-central-1",
        access_key="k",
        secret_key="s",
    )


def test_the_region_falls_back_to_the_one_of_aws() -> None:
    assert read_store_settings({"AWS_REGION": "eu-west-1"}).region == "eu-west-1"


def test_an_empty_prefix_is_kept_and_other_empty_values_equal_unset() -> None:
    assert read(Prefixes, {"ASYA_S3_RESULTS_PREFIX": ""}).results == ""
    assert read_store_settings({"ASYA_S3_BUCKET": "", "ASYA_STORE_URL": ""}) == StoreSettings()


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"ASYA_STORE_URL": "/var/lib/asya"}, "ASYA_STORE_URL"),
        ({"ASYA_STORE_URL": "s3://bucket"}, "ASYA_STORE_URL"),
        ({"ASYA_STORE_URL": "file://host/path"}, "ASYA_STORE_URL"),
        ({"ASYA_S3_ENDPOINT": "minio:9000"}, "ASYA_S3_ENDPOINT"),
        ({"ASYA_S3_ACCESS_KEY": "k"}, "ASYA_S3_SECRET_KEY"),
        ({"ASYA_S3_SECRET_KEY": "s"}, "ASYA_S3_ACCESS_KEY"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(environ: dict[str, str], variable: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_store_settings(environ)
    assert caught.value.variable == variable


def test_without_a_folder_and_a_bucket_there_is_no_store() -> None:
    assert open_store({}) is None


def test_a_folder_wins_over_a_bucket() -> None:
    assert isinstance(open_store({"ASYA_STORE_URL": "file:///tmp/x", "ASYA_S3_BUCKET": "b"}), FolderStore)
