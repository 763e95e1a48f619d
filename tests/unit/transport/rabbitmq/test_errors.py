"""Each of pika's exceptions has a translation, and no translation shows a password."""

import inspect

import pytest
from pika import PlainCredentials
from pika import exceptions as pika
from pika.adapters.utils import connection_workflow as workflow

from asya_protocol.errors import EnvelopeTooLarge, SettingsError, TransportError, TransportUnavailable
from asya_transport.rabbitmq.errors import FOREIGN, TRANSLATIONS, ChannelRefused, lost, read_size_limit, translate
from asya_transport.rabbitmq.link import pause_s, read_parameters

CLASSES = [kind for _, kind in inspect.getmembers(pika, inspect.isclass) if issubclass(kind, Exception)]
WHERE = "RabbitMQ at broker:5672, vhost '/'"


def make(kind: type[Exception]) -> Exception:
    """Build any of pika's exceptions with as many arguments as it takes."""
    if issubclass(kind, pika.ConnectionClosed | pika.ChannelClosed):
        return kind(320, "text")
    if issubclass(kind, pika.UnroutableError | pika.NackError):
        return kind([])
    return kind("text", "more") if kind is pika.ProtocolVersionMismatch else kind("text")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_exception_of_pika_is_listed_and_caught(kind: type[Exception]) -> None:
    """A new class in pika fails here until someone decides what it means."""
    assert kind in TRANSLATIONS
    assert issubclass(kind, FOREIGN)
    error = translate(make(kind), WHERE)
    assert type(error) is TRANSLATIONS[kind][0]
    assert str(error).startswith(WHERE)


def test_the_innermost_cause_of_a_failed_dial_is_told() -> None:
    """The client wraps it three times."""
    refused = ConnectionRefusedError(111, "Connection refused")
    wrapped = workflow.AMQPConnectionWorkflowFailed([workflow.AMQPConnectorSocketConnectError(refused)])
    error = translate(pika.AMQPConnectionError(wrapped), WHERE)
    assert type(error) is TransportUnavailable
    assert str(error) == f"{WHERE}: cannot be reached ([Errno 111] Connection refused)"


@pytest.mark.parametrize("code", [403, 404, 406])
def test_a_refusal_keeps_its_code(code: int) -> None:
    """What it means depends on the question."""
    error = translate(pika.ChannelClosedByBroker(code, "NO"), WHERE)
    assert isinstance(error, ChannelRefused)
    assert error.code == code


@pytest.mark.parametrize(
    "text",
    [
        "PRECONDITION_FAILED - message size 200 is larger than configured max size 100",
        "PRECONDITION_FAILED - message size 200 larger than max size 100",
    ],
)
def test_only_the_oversized_body_is_blamed_for_the_channel_it_broke(text: str) -> None:
    """The others on the same channel may try again."""
    reason = pika.ChannelClosedByBroker(406, text)
    assert read_size_limit(reason) == 100
    assert isinstance(lost(reason, 200, WHERE), EnvelopeTooLarge)
    assert type(lost(reason, 50, WHERE)) is TransportUnavailable


def test_another_refusal_says_nothing_about_size() -> None:
    """Only that text does."""
    assert read_size_limit(pika.ChannelClosedByBroker(406, "PRECONDITION_FAILED - unknown delivery tag 9")) is None
    assert read_size_limit(pika.StreamLostError("size")) is None


def test_our_own_errors_pass_unchanged() -> None:
    """Translated once is enough."""
    error = TransportError("ours")
    assert translate(error, WHERE) is error


@pytest.mark.parametrize("url", ["amqp://u:hunter2@host:port/", "amqp://u:hunter2@h/?heartbeat=x", "amqp://user@host/"])
def test_a_url_that_cannot_be_used_is_refused_without_showing_it(url: str) -> None:
    """It names the variable, not the password."""
    with pytest.raises(SettingsError, match="ASYA_RABBITMQ_URL") as caught:
        read_parameters(url)
    assert "hunter2" not in str(caught.value)


def test_a_url_with_escapes_is_read_as_meant() -> None:
    """Vhost and credentials may hold any character."""
    parameters = read_parameters("amqps://us%40er:p%2Fw%3A@broker/my%2Fhost?heartbeat=7")
    assert (parameters.host, parameters.port, parameters.virtual_host) == ("broker", 5671, "my/host")
    assert isinstance(parameters.credentials, PlainCredentials)
    assert (parameters.credentials.username, parameters.credentials.password) == ("us@er", "p/w:")
    assert parameters.heartbeat == 7
    assert parameters.ssl_options is not None
    assert parameters.ssl_options.context.check_hostname


def test_pauses_double_up_to_their_cap_and_are_spread() -> None:
    """Many sidecars must not come back in step."""
    for attempt, bound_s in [(1, 0.2), (2, 0.4), (5, 3.2), (9, 10.0), (10_000, 10.0)]:
        pauses = [pause_s(attempt, 0.2, 10.0) for _ in range(50)]
        assert all(bound_s / 2 <= pause <= bound_s for pause in pauses)
        assert len(set(pauses)) > 1
