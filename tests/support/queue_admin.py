"""A broker's administration that answers from a dictionary."""

from asya_protocol.errors import QueueMissing, TransportError
from asya_transport.port import Depth, QueueSpec


class Admin:
    """A broker's queues in a dictionary; ``problem`` is what it answers instead. Stands here for its failures."""

    def __init__(self, **depths: Depth) -> None:
        self.requests: dict[str, int] = {}
        self.version = ""
        self.alarms: tuple[str, ...] = ()
        self.depths = {f"asya-{name.replace('_', '-')}": depth for name, depth in depths.items()}
        self.problem: TransportError | None = None
        self.measured: list[str] = []

    async def create(self, queue: str, spec: QueueSpec) -> None:
        """Not asked for here."""
        raise NotImplementedError

    async def measure(self, queue: str) -> Depth:
        """Say what waits."""
        self.measured.append(queue)
        if self.problem is not None:
            raise self.problem
        if queue not in self.depths:
            raise QueueMissing(queue)
        return self.depths[queue]

    async def list_queues(self, prefix: str) -> dict[str, Depth | None]:
        """List by prefix."""
        if self.problem is not None:
            raise self.problem
        return dict.fromkeys(sorted(queue for queue in self.depths if queue.startswith(prefix)))

    async def drain(self, queue: str) -> int:
        """Not asked for here."""
        raise NotImplementedError

    async def delete(self, queue: str, *, force: bool = False) -> bool:
        """Not asked for here."""
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing to close."""
