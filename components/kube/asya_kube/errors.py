"""Errors of talking to the Kubernetes API.

AsyaError
└── ApiError               the API server refused; the text is its own            (permanent until something changes)
    ├── ApiUnavailable         it asks for patience, or failed: 429, 5xx            (retryable)
    │   └── ApiSilent              it cannot be reached                             (retryable)
    ├── ApiConflict            somebody else wrote the object first                 (retryable)
    └── ObjectMissing          there is no such object, or no such kind
"""

from typing import ClassVar

from asya_protocol.errors import AsyaError, Fault


class ApiError(AsyaError):
    """The API server refused a request."""

    fault: ClassVar[Fault] = "peer"


class ApiUnavailable(ApiError):
    """The API server asks for patience, or failed; a webhook that it needs may be away."""

    retryable: ClassVar[bool] = True


class ApiSilent(ApiUnavailable):
    """The API server does not answer, so that asking for something else is in vain too."""


class ApiConflict(ApiError):
    """The object exists already, or changed since it was read."""

    retryable: ClassVar[bool] = True


class ObjectMissing(ApiError):
    """No such object; for a whole kind: its CRD is not installed."""
