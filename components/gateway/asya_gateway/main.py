"""Starts and ends one gateway process.

Start: settings, tools, database, broker, HTTP. End (SIGTERM, SIGINT): streams end, running requests finish, connections close;
exit code 0. A start that cannot succeed is one line and exit code 1.
"""

import asyncio
import logging
import os
import sys
from contextlib import aclosing
from typing import Final

from asya_gateway.actors.roster import Roster
from asya_gateway.actors.sampling import keep_history
from asya_gateway.actors.sources import open_source
from asya_gateway.callbacks.courier import making_callbacks
from asya_gateway.calls import Calls
from asya_gateway.housekeeping import keep_house
from asya_gateway.metrics import Metrics
from asya_gateway.pieces import keep_streams
from asya_gateway.pubsub import TOOLS_CHANGED, PubSub
from asya_gateway.schedules.runner import Schedules
from asya_gateway.server import Server, listen
from asya_gateway.services import App
from asya_gateway.settings import GatewaySettings, read_settings
from asya_gateway.store.factory import open_envelope_store
from asya_gateway.store.timed import TimedStore
from asya_gateway.tools.toolbox import Toolbox
from asya_gateway.tracing import open_call_tracing
from asya_process.entry import run_process
from asya_store.cancel_list import CancelList
from asya_store.factory import open_store
from asya_transport.factory import open_admin, open_transport

log: Final = logging.getLogger("asya_gateway")
SWITCH_S: Final = 0.0005
"""How long a thread that checks arguments keeps the event loop waiting: with Python's own 5 ms /health took 220 ms beside the
largest calls, with this 44 ms, on a busy machine (`bench/gateway_health.py`)."""


def main() -> None:
    """Run a gateway until it is told to stop; the process's exit code says whether it could start."""
    sys.setswitchinterval(SWITCH_S)
    noisy = ("psycopg", "psycopg.pool", "uvicorn.error")
    run_process("gateway", lambda: read_settings(os.environ), run, noisy=noisy)


async def run(settings: GatewaySettings) -> None:
    """Run one gateway until SIGTERM or SIGINT.

    Raises:
        AsyaError: It cannot start; the text says why.
    """
    metrics = Metrics()
    toolbox = Toolbox(settings.tools, metrics)
    listener = listen(settings)
    pubsub = PubSub()
    store = TimedStore(
        open_envelope_store(
            settings.database_url, settings.database_min_connections, settings.database_max_connections
        ),
        metrics,
    )
    transport = open_transport(settings.transport)
    tracing = open_call_tracing(settings.traces, transport.name, metrics.registry)
    background: list[asyncio.Task[None]] = []
    try:
        await store.open(pubsub.wake)
        await transport.connect()
        objects = open_store(settings.store)
        cancels = None if objects is None else CancelList(objects)
        queue_names, admin = settings.transport.queue_names, open_admin(settings.transport)
        roster = Roster(open_source(settings.actors), admin, queue_names)
        calls = Calls(
            toolbox,
            store,
            transport,
            queue_names,
            roster=roster,
            cancels=cancels,
            metrics=metrics,
            most_values=settings.max_call_elements,
            tracing=tracing,
            callbacks=settings.callbacks,
        )
        if settings.door.file is not None:
            background.append(asyncio.create_task(settings.door.file.watch()))
        background.append(
            asyncio.create_task(keep_house(store, metrics, settings.sweep_s, settings.history_s, settings.kept_s))
        )
        background.append(asyncio.create_task(Schedules(toolbox, calls, store).run()))
        if settings.tools is not None and settings.reload_s > 0:
            watching = toolbox.watch(settings.reload_s, lambda: pubsub.wake(TOOLS_CHANGED))
            background.append(asyncio.create_task(watching))
        app = App(
            settings,
            store=store,
            transport=transport,
            admin=admin,
            calls=calls,
            pubsub=pubsub,
            metrics=metrics,
            objects=objects,
        )
        callbacks = making_callbacks(store.deliveries, settings.callbacks, metrics, settings.drain_timeout_s)
        async with aclosing(app), aclosing(roster), callbacks:
            sampling = asyncio.create_task(
                keep_history(app.board, app.call_times, app.history, settings.sample_every_s)
            )
            background.append(sampling)
            background.append(asyncio.create_task(keep_streams(app.pieces, settings.pieces_kept_s)))
            server = Server(app)
            if server.certificate is not None:
                background.append(asyncio.create_task(server.certificate.watch()))
            host, port = listener.getsockname()[:2]
            log.info("gateway listens", extra={"host": host, "port": port, "tools": sorted(toolbox.tools)})
            await server.serve([listener])
            sampling.cancel()
            await calls.finish()
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await transport.close()
        await store.close()
        listener.close()
        await asyncio.to_thread(tracing.close)
    log.info("gateway stopped")
