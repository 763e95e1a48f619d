"""The port to a source of actors."""

from typing import Final, Protocol

from asya_gateway.actors.view import ActorView

KUBERNETES: Final = "kubernetes"
"""Value of ``ASYA_GATEWAY_ACTORS``, and the name of that source."""


QUEUES: Final = "queues"
"""The same where there is no source, so that the queues have to tell."""


class ActorsUnknown(Exception):
    """The source cannot list actors; the text tells people why."""


class ActorSource(Protocol):
    """Lists the actors and their states."""

    @property
    def name(self) -> str:
        """``kubernetes``, ``mesh`` or ``queues``."""

    async def actors(self) -> list[ActorView] | None:
        """List all actors; ``None`` where the source knows none, so that the queues have to tell.

        Raises:
            ActorsUnknown: It cannot, at the moment or at all.
        """

    async def close(self) -> None:
        """Disconnect. Never raises."""
