"""A mesh, for code that has an event loop."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from asya.client.beside import beside
from asya.client.errors import ClientError, EnvelopeFailed, MeshAway, NoSuchTool, NotOffered, NotSent
from asya.client.gateway_link import GatewayLink
from asya.client.sent import Event, Sent
from asya_protocol.durations import parse_duration
from asya_protocol.not_before import LONGEST_WAIT, choose

if TYPE_CHECKING:
    from asya.client.mesh_link import MeshLink

To = str | Sequence[str]
"""A tool's name, which a gateway knows, or a route: the names of its actors."""
Callback = str | Mapping[str, Any]
"""A URL, or an object with ``url``, and ``secretRef`` and ``events`` where they are not the usual ones."""


class AsyncMesh:
    """A local mesh, or a gateway and whatever is behind it.

    Args:
        gateway: A gateway's URL; else ``ASYA_GATEWAY_URL``, else the mesh that runs on this machine.
        token: For it; else ``ASYA_GATEWAY_TOKEN``. A local mesh's own is found by itself.
        home: Folder of the local mesh; else ``ASYA_HOME``, else ``.asya``.

    Raises:
        MeshAway: No gateway is named, and no mesh is running.
    """

    def __init__(self, gateway: str | None = None, *, token: str | None = None, home: str | Path | None = None) -> None:
        named = gateway or (os.environ.get("ASYA_GATEWAY_URL") if home is None else None)
        self._link: MeshLink | None = None
        self._gateway: GatewayLink | None = None
        if named:
            self._gateway = GatewayLink(named, token or os.environ.get("ASYA_GATEWAY_TOKEN", "").strip())
            return
        # Here, not above: a service that talks to a gateway needs no broker's client.
        from asya.client import mesh_link
        from asya_local import mesh

        folder = Path(home or os.environ.get("ASYA_HOME") or ".asya")
        info = mesh.find(folder)
        if info is None:
            raise MeshAway(f"no mesh is running in {folder}, and ASYA_GATEWAY_URL names no gateway: asya local up")
        self._link = mesh_link.MeshLink(info)
        if info.gateway_url:
            self._gateway = GatewayLink(info.gateway_url, info.gateway_token_file.read_text(encoding="utf-8").strip())

    async def send(
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
        """Send an envelope, and return once the broker has it.

        Args:
            to: A tool or a route.
            payload: A tool's arguments by name, or any JSON value.
            id: Of a route's envelope; made up unless given.
            headers: Of a route's envelope.
            deadline_s: Nobody wants the result of a route's envelope after so many seconds.
            delay_s: No handler takes it before so many seconds have passed.
            not_before: The same as a moment with its zone.
            callback: Where the gateway posts the end of a tool's envelope to: a URL, or ``{"url": ..., "secretRef": ...}``.

        Raises:
            NotSent: The mesh refuses it.
            NotOffered: There is no gateway for a tool, or no mesh on this machine for a route.
            MeshAway: It cannot be reached.
        """
        until = _moment(delay_s, not_before)
        if isinstance(to, str):
            if self._gateway is None:
                raise NotOffered(f"{to!r} is a tool's name, and this mesh has no gateway; a route is a list of actors")
            try:
                return await self._gateway.start(to, payload or {}, until, _callback(callback))
            except NoSuchTool:
                if self._link is not None and to in self._link.actors():
                    told = f"{to!r} is the name of an actor, not of a tool; a route is a list of actors: [{to!r}]"
                    raise NoSuchTool(told) from None
                raise
        if callback is not None:
            raise NotOffered("callbacks are a gateway's: they need a tool's name, not a route")
        if self._link is None:
            raise NotOffered("a gateway starts tools; a route of actors needs the mesh on this machine")
        return await self._link.send(
            to, payload, envelope_id=id, headers=headers or {}, deadline_s=deadline_s, not_before=until
        )

    async def result(self, sent: Sent, *, timeout_s: float | None = None) -> Any:  # noqa: ANN401 - any JSON value
        """Wait for what comes of an envelope; ``None`` also where a handler returned nothing.

        Raises:
            EnvelopeFailed: It failed.
            TimeoutError: It has not ended in time; it goes on.
            MeshAway: It cannot be reached any more.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._way(sent).end(sent)
        except TimeoutError:
            limit = "" if timeout_s is None else f" within {timeout_s:g} s"
            told = f"{sent.id} has not ended{limit}; it goes on, and what holds it says: asya why {sent.id}"
            raise TimeoutError(told) from None

    async def call(
        self,
        to: To,
        payload: Any = None,  # noqa: ANN401 - any JSON value
        *,
        timeout_s: float | None = None,
        callback: Callback | None = None,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Send an envelope and wait for what comes of it: ``send`` and ``result`` in one."""
        return await self.result(await self.send(to, payload, callback=callback), timeout_s=timeout_s)

    async def gather(
        self, sent: Iterable[Sent], *, timeout_s: float | None = None, return_failures: bool = False
    ) -> list[Any]:
        """Wait for many; their results in the order in which they are named.

        Args:
            sent: Envelopes.
            timeout_s: For all of them together.
            return_failures: A failed one has its ``EnvelopeFailed`` in its place; otherwise the first is raised.

        Raises:
            EnvelopeFailed: One failed.
            TimeoutError: Not all have ended in time.
        """

        async def one(each: Sent) -> Any:  # noqa: ANN401 - any JSON value
            try:
                return await self._way(each).end(each)
            except EnvelopeFailed as failure:
                if return_failures:
                    return failure
                raise

        try:
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(each)) for each in sent]
        except ExceptionGroup as several:
            known = [error for error in several.exceptions if isinstance(error, ClientError)]
            raise known[0] if known else several from None
        return [task.result() for task in tasks]

    async def stream(self, sent: Sent) -> AsyncIterator[Event]:
        """Yield what happened and happens to an envelope, up to its end, and what its handlers stream.

        Of what was sent past a gateway only the end is told, and what is streamed where there is a gateway.
        """
        if self._gateway is not None and not sent.trace_id:
            async for event in self._gateway.events(sent):
                yield event
            return
        if self._gateway is not None:
            async for event in beside(self._gateway.pieces(sent), self._end(sent)):
                yield event
            return
        yield await self._end(sent)

    async def _end(self, sent: Sent) -> Event:
        try:
            result = await self.result(sent)
        except EnvelopeFailed as failure:
            return Event("failed", str(failure), percent=100.0, error=failure.code)
        return Event("succeeded", percent=100.0, result=result)

    async def close(self) -> None:
        """Close what is open; envelopes go on."""
        for link in (self._link, self._gateway):
            if link is not None:
                await link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _way(self, sent: Sent) -> "MeshLink | GatewayLink":
        way = self._link if sent.trace_id else self._gateway
        if way is None:
            raise NotOffered(f"{sent.id} was sent another way than this mesh has")
        return way


def _callback(given: Callback | None) -> Mapping[str, Any] | None:
    return {"url": given} if isinstance(given, str) else given


def _moment(delay_s: float | None, not_before: datetime | None) -> datetime | None:
    """Choose the moment before which no handler takes an envelope; ``None`` for at once."""
    given = "delay_s" if delay_s is not None else "not_before"
    longest_s = parse_duration(os.environ.get("ASYA_LONGEST_WAIT") or LONGEST_WAIT)
    try:
        return choose(delay_s, None if not_before is None else not_before.isoformat(), datetime.now(UTC), longest_s)
    except ValueError as exc:
        raise NotSent(f"{given} {exc}") from None
