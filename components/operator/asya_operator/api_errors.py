"""Errors of talking to the Kubernetes API.

AsyaError
└── ApiError               the API server refused; the text is its own            (permanent until something changes)
    ├── ApiUnavailable         it cannot be reached, or is overloaded               (retryable)
    ├── ApiConflict            somebody else wrote the object first                 (retryable)
    └── ObjectMissing          there is no such object, or no such kind
"""

from typing import ClassVar

from asya_protocol.errors import AsyaError, Fault


class ApiError(AsyaError):
    """The API server refused a request."""

    fault: ClassVar[Fault] = "peer"


class ApiUnavailable(ApiError):
    """The API server cannot be reached or asks for patience."""

    retryable: ClassVar[bool] = True


class ApiConflict(ApiError):
    """The object exists already, or changed since it was read."""

    retryable: ClassVar[bool] = True


class ObjectMissing(ApiError):
    """No such object; for a whole kind: its CRD is not installed."""
