"""The URL of RabbitMQ's management API."""

import pytest

from asya_protocol.errors import SettingsError
from asya_transport.rabbitmq.management import Management


@pytest.mark.parametrize("url", ["broker:15672", "ftp://broker", "http://", "http://broker:port"])
def test_a_management_url_that_cannot_be_used_names_its_variable(url: str) -> None:
    """At start, not at the first request."""
    with pytest.raises(SettingsError, match="ASYA_RABBITMQ_MANAGEMENT_URL"):
        Management(url, "/", None)
