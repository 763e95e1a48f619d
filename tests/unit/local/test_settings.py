"""A local mesh's settings come from the environment."""

import pytest

from asya_local.settings import read_local_settings
from asya_protocol.errors import SettingsError


def test_the_cap_and_the_store_come_from_the_environment():
    """Or are named when they cannot be used."""
    assert read_local_settings({"ASYA_LOCAL_MAX_REPLICAS": "7"}).max_replicas == 7
    assert read_local_settings({}).max_replicas >= 2
    assert read_local_settings({"AWS_REGION": "x"}).store == {}
    bucket = {"ASYA_S3_BUCKET": "b", "AWS_REGION": "x"}
    assert read_local_settings({**bucket, "PATH": "/"}).store == bucket
    with pytest.raises(SettingsError, match="ASYA_LOCAL_MAX_REPLICAS"):
        read_local_settings({"ASYA_LOCAL_MAX_REPLICAS": "many"})
