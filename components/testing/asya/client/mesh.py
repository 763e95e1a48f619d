"""A mesh, for code without an event loop: the methods of ``AsyncMesh``, each of which waits."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from asya.client.async_mesh import AsyncMesh, Callback, To
from asya.client.sent import Event, Sent
from asya.loop_thread import LoopThread


class Mesh:
    """A local mesh, or a gateway and whatever is behind it; several threads may share one.

    Args:
        gateway: A gateway's URL; else ``ASYA_GATEWAY_URL``, else the mesh that runs on this machine.
        token: For it; else ``ASYA_GATEWAY_TOKEN``. A local mesh's own is found by itself.
        home: Folder of the local mesh; else ``ASYA_HOME``, else ``.asya``.

    Raises:
        MeshAway: No gateway is named, and no mesh is running.
    """

    def __init__(self, gateway: str | None = None, *, token: str | None = None, home: str | Path | None = None) -> None:
        self._loop = LoopThread("asya-client")

        async def open_mesh() -> AsyncMesh:
            return AsyncMesh(gateway, token=token, home=home)

        try:
            self._mesh = self._loop.call(open_mesh())
        except BaseException:
            self._loop.close()
            raise

    def send(
        self,
        to: To,
        payload: Any = None,  # noqa: ANN401 - any JSON value
        *,
        id: str | None = None,  # noqa: A002 - what it is called on the wire
        headers: Mapping[str, object] | None = None,
        deadline_s: float | None = None,
        delay_s: float | None = None,
        not_before: datetime | None = None,
        callback: Callback | None = None,
    ) -> Sent:
        """Send an envelope, and return once the broker has it; see ``AsyncMesh.send``."""
        send = self._mesh.send
        envelope = send(
            to,
            payload,
            id=id,
            headers=headers,
            deadline_s=deadline_s,
            delay_s=delay_s,
            not_before=not_before,
            callback=callback,
        )
        return self._loop.call(envelope)

    def result(self, sent: Sent, *, timeout_s: float | None = None) -> Any:  # noqa: ANN401 - any JSON value
        """Wait for what comes of an envelope; see ``AsyncMesh.result``."""
        return self._loop.call(self._mesh.result(sent, timeout_s=timeout_s))

    def call(
        self,
        to: To,
        payload: Any = None,  # noqa: ANN401 - any JSON value
        *,
        timeout_s: float | None = None,
        callback: Callback | None = None,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Send an envelope and wait for what comes of it."""
        return self._loop.call(self._mesh.call(to, payload, timeout_s=timeout_s, callback=callback))

    def gather(
        self, sent: Iterable[Sent], *, timeout_s: float | None = None, return_failures: bool = False
    ) -> list[Any]:
        """Wait for many; see ``AsyncMesh.gather``."""
        return self._loop.call(self._mesh.gather(sent, timeout_s=timeout_s, return_failures=return_failures))

    def stream(self, sent: Sent) -> Iterator[Event]:
        """Yield what happened and happens to an envelope, up to its end; see ``AsyncMesh.stream``."""
        events = self._mesh.stream(sent)

        async def following() -> Event | None:
            return await anext(events, None)

        while (event := self._loop.call(following())) is not None:
            yield event

    def close(self) -> None:
        """Close what is open; envelopes go on. Closed twice is closed."""
        if self._loop.closed:
            return
        try:
            self._loop.call(self._mesh.close())
        finally:
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
