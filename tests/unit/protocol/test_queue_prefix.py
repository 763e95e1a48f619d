"""A prefix of its own for every queue of a mesh."""

import pytest

from asya_manifest.actor import parse_actor
from asya_operator.settings import read_settings
from asya_protocol.errors import SettingsError
from asya_protocol.names import QueueNames, dlq_name
from asya_transport.settings import read_transport_settings

pytestmark = pytest.mark.unit


def test_queues_begin_with_what_the_mesh_was_told() -> None:
    assert QueueNames().queue("ocr") == "asya-ocr"
    names = QueueNames("team-b-")
    assert names.queue("ocr") == "team-b-ocr"
    assert names.actor("team-b-ocr") == "ocr"
    assert names.dlq("ocr") == dlq_name(names.queue("ocr")) == "team-b-ocr-dlq"


def test_the_operator_scales_by_that_queue_and_hands_the_prefix_on() -> None:
    settings = read_settings([], {"ASYA_QUEUE_PREFIX": "team-b-"})
    actor = {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": "ocr"},
        "spec": {"transport": "sqs", "image": "i"},
    }
    assert settings.queue_names.queue(parse_actor(actor).name) == "team-b-ocr"
    assert [(entry.name, entry.value) for entry in settings.handed_on] == [("ASYA_QUEUE_PREFIX", "team-b-")]


@pytest.mark.parametrize("prefix", ["an-environment-", "a b", "ä-", "a.b"])
def test_what_a_broker_would_not_take_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match="ASYA_QUEUE_PREFIX"):
        read_transport_settings({"ASYA_QUEUE_PREFIX": prefix})
    with pytest.raises(ValueError, match="not 1 to 13"):
        QueueNames(prefix)


def test_the_longest_names_fit_into_sqs() -> None:
    assert len(QueueNames("p" * 13).dlq("a" * 63)) == 80
