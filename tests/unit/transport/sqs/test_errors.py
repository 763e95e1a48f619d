"""Every foreign exception has one of ours."""

import inspect
from typing import Any

import pytest
import urllib3.exceptions
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from asya_protocol.errors import (
    EnvelopeRefused,
    EnvelopeTooLarge,
    LeaseLost,
    QueueMissing,
    TransportError,
    TransportUnavailable,
)
from asya_transport.sqs.errors import FOREIGN, translate

RETRYABLE = {
    "CapacityNotAvailableError",
    "ChecksumError",
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "ConnectionError",
    "CredentialRetrievalError",
    "EndpointConnectionError",
    "FlexibleChecksumError",
    "HTTPClientError",
    "IncompleteReadError",
    "MetadataRetrievalError",
    "ProxyConnectionError",
    "ReadTimeoutError",
    "ResponseStreamingError",
    "SSLError",
    "TokenRetrievalError",
    "WaiterError",
}
"""Botocore's exceptions after which trying again is sensible; all others speak of settings, credentials or a bug."""

BOTOCORE = sorted(
    name
    for name, kind in vars(boto).items()
    if inspect.isclass(kind) and issubclass(kind, Exception) and not issubclass(kind, Warning)
    if kind.__module__ == boto.__name__ and not issubclass(kind, boto.ClientError)
)


def answer(code: str, message: str = "", status: int = 400) -> boto.ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, "SendMessage")


@pytest.mark.parametrize("name", BOTOCORE)
def test_every_botocore_exception_is_caught_and_translated(name: str) -> None:
    kind = getattr(boto, name)
    exc = kind.__new__(kind)  # each wants other arguments, and none of them matters here
    assert isinstance(exc, FOREIGN)
    translated = translate(exc, "asya-ocr")
    assert type(translated) is (TransportUnavailable if name in RETRYABLE else TransportError)
    assert "asya-ocr" in str(translated)


def test_the_list_of_retryable_exceptions_names_no_stranger() -> None:
    assert set(BOTOCORE) >= RETRYABLE


@pytest.mark.parametrize(
    "exc",
    [
        urllib3.exceptions.ProtocolError("cut"),
        urllib3.exceptions.ReadTimeoutError(None, "/", "slow"),  # type: ignore[arg-type]  # needs no pool here
        ResponseParserError("<html>502</html>"),
        ConnectionResetError("reset"),
        TimeoutError("slow"),
    ],
)
def test_network_troubles_below_botocore_are_retryable(exc: Exception) -> None:
    assert isinstance(exc, FOREIGN)
    assert type(translate(exc, "q")) is TransportUnavailable


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (answer("AWS.SimpleQueueService.NonExistentQueue"), QueueMissing),
        (answer("QueueDoesNotExist"), QueueMissing),
        (answer("ReceiptHandleIsInvalid"), LeaseLost),
        (answer("InvalidParameterValue", "Value x for parameter ReceiptHandle is invalid. Reason: expired"), LeaseLost),
        (answer("MessageNotInflight"), LeaseLost),
        (answer("InvalidMessageContents"), EnvelopeRefused),
        (answer("InvalidParameterValue", "Reason: Message must be shorter than 262144 bytes."), EnvelopeTooLarge),
        (answer("ThrottlingException"), TransportUnavailable),
        (answer("OverLimit"), TransportUnavailable),
        (answer("ExpiredToken"), TransportUnavailable),
        (answer("AWS.SimpleQueueService.QueueDeletedRecently"), TransportUnavailable),
        (answer("", status=503), TransportUnavailable),
        (answer("Whatever", status=429), TransportUnavailable),
        (answer("AccessDenied", status=403), TransportError),
        (answer("InvalidClientTokenId", status=403), TransportError),
        (answer("InvalidParameterValue", "Value 950 for parameter DelaySeconds is invalid"), TransportError),
        (boto.ClientError({}, "SendMessage"), TransportError),
    ],
)
def test_answers_of_sqs_are_told_apart(exc: boto.ClientError, expected: type[TransportError]) -> None:
    assert type(translate(exc, "asya-ocr")) is expected


def test_a_translation_keeps_what_a_person_needs() -> None:
    text = str(translate(answer("AccessDenied", "not authorized to perform sqs:SendMessage", 403), "asya-ocr"))
    assert text == "SQS, queue 'asya-ocr': AccessDenied: not authorized to perform sqs:SendMessage"
    assert (
        str(translate(boto.NoCredentialsError(), "asya-ocr")) == "SQS, queue 'asya-ocr': Unable to locate credentials"
    )
