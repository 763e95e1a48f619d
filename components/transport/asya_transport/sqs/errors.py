"""Translates botocore's and urllib3's exceptions into those of ``asya_protocol.errors``.

``tests/unit/transport/sqs/test_errors.py`` lists every botocore exception class with its translation.
"""

import re
from typing import Final

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from asya_protocol.errors import (
    EnvelopeRefused,
    EnvelopeTooLarge,
    LeaseLost,
    QueueMissing,
    TransportError,
    TransportUnavailable,
)

FOREIGN: Final = (
    boto.BotoCoreError,
    boto.ClientError,
    boto.UndefinedModelAttributeError,
    ResponseParserError,
    HTTPError,
    OSError,
)
"""Every class that a call may raise because of the service, the network or the credentials; others are our bugs."""

_UNAVAILABLE: Final = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.IncompleteReadError,
    boto.ChecksumError,
    boto.FlexibleChecksumError,
    boto.CapacityNotAvailableError,
    # Credentials come from services that can be away for a moment (instance metadata, STS, SSO).
    boto.CredentialRetrievalError,
    boto.MetadataRetrievalError,
    boto.TokenRetrievalError,
    boto.WaiterError,
    ResponseParserError,
    HTTPError,
    OSError,
)
_MISSING_CODES: Final = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_LOST_CODES: Final = frozenset(
    {"ReceiptHandleIsInvalid", "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"}
)
_REFUSED_CODES: Final = frozenset({"InvalidMessageContents", "AWS.SimpleQueueService.InvalidMessageContents"})
_UNAVAILABLE_CODES: Final = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "ServiceUnavailable",
        "RequestThrottled",
        "RequestTimeout",
        "RequestExpired",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "KmsThrottled",
        "KMS.ThrottlingException",
        "OverLimit",
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "QueueDeletedRecently",
        # The default chain renews credentials; the next call signs with the new ones.
        "ExpiredToken",
        "ExpiredTokenException",
    }
)
"""Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html and each action's page."""

_TOO_LONG: Final = re.compile(r"must be shorter than (\d+) bytes")


def translate(exc: Exception, queue: str) -> TransportError:
    """Make one of ``FOREIGN`` one of ours.

    Args:
        exc: What the call raised.
        queue: Queue that the call was about.
    """
    if isinstance(exc, boto.ClientError):
        return _translate_answer(exc, queue)
    text = f"SQS, queue {queue!r}: {exc or type(exc).__name__}"
    return TransportUnavailable(text) if isinstance(exc, _UNAVAILABLE) else TransportError(text)


def _translate_answer(exc: boto.ClientError, queue: str) -> TransportError:
    error = exc.response.get("Error", {})
    code, message = error.get("Code", ""), error.get("Message", "")
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = f"SQS, queue {queue!r}: {code or status}: {message}"
    if code in _MISSING_CODES:
        return QueueMissing(queue)
    if code in _LOST_CODES or (code == "InvalidParameterValue" and "ReceiptHandle" in message):
        return LeaseLost(text)
    if code in _REFUSED_CODES:
        return EnvelopeRefused(text)
    if found := _TOO_LONG.search(message):
        return EnvelopeTooLarge(0, int(found[1]))  # the sender knows the size
    if code in _UNAVAILABLE_CODES or status >= 500 or status == 429:
        return TransportUnavailable(text)
    return TransportError(text)
