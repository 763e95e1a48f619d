"""Starts and ends one gateway process.

Start: settings, tools, database, broker, HTTP. End (SIGTERM, SIGINT): streams end, running requests finish, connections close;
exit code 0. A start that cannot succeed is one line and exit code 1.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from dataclasses import replace
from types import FrameType
from typing import Final

import uvicorn

from asya_gateway.app import build_app
from asya_gateway.calls import Calls
from asya_gateway.housekeeping import keep_house
from asya_gateway.logs import log_json
from asya_gateway.requests import Rooms
from asya_gateway.settings import GatewaySettings, read_settings
from asya_gateway.store.factory import open_envelope_store
from asya_gateway.tool_files import read_tools
from asya_gateway.wakeups import Wakeups
from asya_gateway.watch import open_watch
from asya_protocol.errors import AsyaError, SettingsError
from asya_store.cancels import CancelList
from asya_store.factory import open_store
from asya_transport.factory import open_transport

log: Final = logging.getLogger("asya_gateway")

KEEP_ALIVE_S: Final = 75
LARGEST_HEADER_BYTES: Final = 64 * 1024


def main() -> None:
    """Run a gateway until it is told to stop; the process's exit code says whether it could start."""
    try:
        settings = read_settings(os.environ)
    except SettingsError as exc:
        sys.stderr.write(f"asya-gateway: {exc}\n")
        raise SystemExit(1) from None
    log_json(settings.log_level)
    try:
        asyncio.run(run(settings))
    except AsyaError as exc:
        log.error("gateway cannot run", extra={"error": str(exc), "error_type": type(exc).__name__})  # noqa: TRY400 - the cause is in the text
        raise SystemExit(1) from None


async def run(settings: GatewaySettings) -> None:
    """Run one gateway until SIGTERM or SIGINT.

    Raises:
        AsyaError: It cannot start; the text says why.
    """
    tools = read_tools(settings.tools)
    listener = _listen(settings)
    wakeups = Wakeups()
    store = open_envelope_store(
        settings.database_url, settings.database_min_connections, settings.database_max_connections
    )
    transport = open_transport(settings.transport)
    sweeping: asyncio.Task[None] | None = None
    try:
        await store.open(wakeups.wake)
        await transport.connect()
        objects = open_store(settings.store)
        cancels = None if objects is None else CancelList(objects)
        rooms = Rooms(store, Calls(tools, store, transport, cancels), wakeups, settings.door, settings.max_body_bytes)
        sweeping = asyncio.create_task(keep_house(store, settings.sweep_s, settings.history_s))
        watching = open_watch(
            settings.actors, settings.transport, store=store, transport=transport, wakeups=wakeups, tools=tools
        )
        async with watching as watch:
            server = _Server(settings, replace(rooms, watch=watch))
            host, port = listener.getsockname()[:2]
            log.info("gateway listens", extra={"host": host, "port": port, "tools": sorted(tools)})
            await server.serve([listener])
    finally:
        if sweeping is not None:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)
        await transport.close()
        await store.close()
        listener.close()
    log.info("gateway stopped")


def _listen(settings: GatewaySettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
        # Connections inherit it. asyncio leaves it out for a socket made like this, and every answer takes 40 ms more.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as exc:
        raise SettingsError("ASYA_GATEWAY_PORT", f"cannot listen on {settings.host}:{settings.port}: {exc}") from None
    return listener


class _Server(uvicorn.Server):
    """Ends the streams as soon as the signal comes; uvicorn alone would wait for them."""

    def __init__(self, settings: GatewaySettings, rooms: Rooms) -> None:
        self._wakeups = rooms.wakeups
        super().__init__(
            uvicorn.Config(
                build_app(rooms),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=int(settings.drain_timeout_s) or 1,
                h11_max_incomplete_event_size=LARGEST_HEADER_BYTES,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self._wakeups.stop()
        super().handle_exit(sig, frame)
        # uvicorn would raise the signal again when it is done; a stop that was asked for is exit code 0.
        self._captured_signals = [number for number in self._captured_signals if number == signal.SIGKILL]
