"""Opens the broker that the environment names, for a test."""

from collections.abc import Mapping
from dataclasses import replace

from asya_transport.factory import open_admin, open_transport
from asya_transport.port import QueueAdmin, Transport
from asya_transport.settings import TransportSettings, read_transport_settings


def open_broker(environ: Mapping[str, str]) -> tuple[Transport, QueueAdmin]:
    """Build transport and admin; neither is connected yet.

    Raises:
        SettingsError: A setting cannot be used; names the variable.
    """
    settings = read_settings(environ)
    if settings.name == "memory" and settings.memory_socket is None:
        # One of its own, not the process's: that one serves a single event loop, and every pipeline has a loop.
        from asya_transport.memory.transport import MemoryAdmin, MemoryBroker, MemoryTransport

        broker = MemoryBroker(max_body_bytes=settings.memory_max_body_bytes)
        return MemoryTransport(broker.open_session()), MemoryAdmin(broker.open_session())
    return open_transport(settings), open_admin(settings)


def read_settings(environ: Mapping[str, str]) -> TransportSettings:
    """Read the settings of the transport; what is not set suits a test instead of a sidecar."""
    settings = read_transport_settings({**environ, "ASYA_TRANSPORT": environ.get("ASYA_TRANSPORT") or "memory"})
    if not environ.get("ASYA_SQS_WAIT_TIME_SECONDS"):
        # A long poll is never cut off, so that closing the pipeline has to wait for those under way.
        settings = replace(settings, sqs_wait_time_s=1.0)
    if not environ.get("ASYA_QUEUE_RETRY_MAX_ATTEMPTS"):
        settings = replace(settings, queue_retry_max_attempts=3)
    return settings
