"""A prefix of its own for every queue of a process."""

from collections.abc import Iterator

import pytest

from asya_manifest.actor import parse_actor
from asya_operator.settings import read_settings
from asya_protocol import names
from asya_protocol.errors import SettingsError
from asya_transport.settings import read_transport_settings

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    names.use_queue_prefix(names.QUEUE_PREFIX)


def test_queues_begin_with_what_the_process_was_told() -> None:
    assert names.queue_name("ocr") == "asya-ocr"
    names.use_queue_prefix("team-b-")
    assert names.queue_name("ocr") == "team-b-ocr"
    assert names.actor_of("team-b-ocr") == "ocr"
    assert names.dlq_name(names.queue_name("ocr")) == "team-b-ocr-dlq"


def test_the_operator_scales_by_that_queue_and_hands_the_prefix_on() -> None:
    settings = read_settings([], {"ASYA_QUEUE_PREFIX": "team-b-"})
    names.use_queue_prefix(settings.queue_prefix)
    actor = {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": "ocr"},
        "spec": {"transport": "sqs", "image": "i"},
    }
    assert parse_actor(actor).queue == "team-b-ocr"
    assert [(entry.name, entry.value) for entry in settings.store_env] == [("ASYA_QUEUE_PREFIX", "team-b-")]


@pytest.mark.parametrize("prefix", ["an-environment-", "a b", "ä-", "a.b"])
def test_what_a_broker_would_not_take_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match="ASYA_QUEUE_PREFIX"):
        read_transport_settings({"ASYA_QUEUE_PREFIX": prefix})
    with pytest.raises(ValueError, match="not 1 to 13"):
        names.use_queue_prefix(prefix)


def test_the_longest_names_fit_into_sqs() -> None:
    names.use_queue_prefix("p" * 13)
    assert len(names.dlq_name(names.queue_name("a" * 63))) == 80
