"""What the console asks about actors, whoever knows them."""

from typing import Final, Protocol

from asya_gateway.actors.view import ActorView

KUBERNETES: Final = "kubernetes"
"""Value of ``ASYA_GATEWAY_ACTORS``, and the name of that source."""


class ActorsUnknown(Exception):
    """The source cannot say; the text says why, for people."""


class ActorSource(Protocol):
    """Somebody who knows the actors."""

    @property
    def name(self) -> str:
        """``kubernetes``, ``mesh`` or ``queues``."""

    async def actors(self) -> list[ActorView] | None:
        """Say how all of them stand; ``None`` where only their queues can be looked at.

        Raises:
            ActorsUnknown: It cannot, at the moment or at all.
        """

    async def close(self) -> None:
        """Disconnect. Never raises."""
