"""What the plugin needs from whatever holds the objects: an API server, or a folder."""

from typing import Protocol

from lab.pulumi_standins.wire import Properties


class Store(Protocol):
    """Holds Kubernetes objects."""

    namespace: str
    """Where an object goes that names no namespace."""

    def apply(self, thing: Properties, *, dry: bool = False, patch: bool = False) -> Properties:
        """Apply an object and return it as it is then.

        Args:
            thing: The object, or with ``patch`` some fields of one, owned by the manager that its annotation names.
            dry: Only ask whether it would be accepted.
            patch: It belongs to somebody else.

        Raises:
            Refused: It is not accepted.
        """

    def get(self, thing: Properties) -> Properties | None:
        """The object of this kind and name; ``None`` when there is none."""

    def release(self, thing: Properties) -> None:
        """Give up the fields of a patch; the object stays."""

    def delete(self, thing: Properties, timeout_s: float) -> None:
        """Remove it and wait until it is gone; fine when it is."""

    def await_ready(self, thing: Properties, timeout_s: float) -> Properties:
        """Wait until it does what it is for, as ``readiness.py`` says; returns it as it is then."""


class Refused(Exception):
    """The object, or a change of it, is not accepted; the text is the API server's."""
