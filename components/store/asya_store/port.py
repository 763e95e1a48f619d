"""The port of the object stores: what each of them promises.

A ``put`` that returned is kept; one that failed raises ``StoreUnavailable``, so that the envelope behind it is not settled.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of an object besides its bytes.

    Attributes:
        modified_s: When it was last written, seconds since 1970.
        metadata: As given to ``put``.
    """

    modified_s: float
    metadata: Mapping[str, str] = field(default_factory=dict)


class Store(Protocol):
    """Objects by key; keys are relative paths with ``/`` between segments.

    Every method raises ``StoreUnavailable`` when the store could not do what was asked.
    """

    def put(
        self,
        key: str,
        body: bytes,
        content_type: str = "application/json",
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write an object, replacing one of the same key; metadata is ASCII text by name."""

    def create(self, key: str, body: bytes) -> bool:
        """Write an object where there is none; false, and nothing written, where there is one. Of many who ask, one wins."""

    def get(self, key: str) -> bytes | None:
        """Read an object; ``None`` when there is none."""

    def info(self, key: str) -> ObjectInfo | None:
        """Ask about an object without reading it; ``None`` when there is none."""

    def list(self, prefix: str, *, after: str = "", most: int | None = None) -> list[str]:
        """Keys that start with a prefix, sorted.

        Args:
            prefix: How they start.
            after: Only those that sort after this text; the store does not read the others.
            most: The first so many.
        """

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
