"""Settings of one sidecar, read from the environment that Asya 0.1.1's manifests set; nothing else here reads it.

A value that cannot be used stops the start and names the variable; Asya 0.1.1 fell back in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asya_process.settings import flag, log_level, read, setting, starts_with, whole
from asya_process.trace_settings import TraceSettings, read_trace_settings
from asya_protocol import names
from asya_protocol.durations import parse_duration
from asya_sidecar.core.admit import Hop
from asya_sidecar.core.custom_metric import Declared, read_declarations
from asya_sidecar.core.retry import RetryPolicy
from asya_store.claims import DEFAULT_OVER_BYTES
from asya_store.dedup import MEMORY, check_url
from asya_store.limits.factory import check_limits_url
from asya_store.settings import StoreSettings, read_store_settings
from asya_transport.settings import TransportSettings, read_transport_settings


@dataclass(frozen=True, slots=True)
class SidecarSettings:
    """Everything that one sidecar is told."""

    hop: Hop
    transport: TransportSettings
    store: StoreSettings = field(default_factory=StoreSettings)
    traces: TraceSettings = field(default_factory=TraceSettings)
    socket_dir: Path = setting("ASYA_SOCKET_DIR", Path, "/var/run/asya")
    """Folder shared with the runtime."""
    concurrency: int = setting("ASYA_CONCURRENCY", whole(1, 1000), "1")
    """Handler calls at the same time; no more than the runtime, which reads it too, announces."""
    batch_size: int | None = setting("ASYA_BATCH_SIZE", whole(1, 10_000), None)
    """Envelopes that the handler gets at once, as a list; the runtime reads it too. Unset takes what the runtime
    announces; a runtime without it gets one payload at a time."""
    batch_wait_s: float = setting("ASYA_BATCH_WAIT_MS", lambda text: whole(0, 60_000)(text) / 1000, "50")
    """Milliseconds to wait for a batch to fill."""
    claim_over_bytes: int = setting("ASYA_CLAIM_OVER_BYTES", whole(0, 2**31), str(DEFAULT_OVER_BYTES))
    """Envelopes over this size leave their payload in the object store; 0 never does. Without a store they travel
    whole, as far as the broker takes them."""
    dedup_window_s: float = setting("ASYA_DEDUP_WINDOW", parse_duration, "0")
    """For so long a duplicate of an envelope that this actor has finished is dropped; 0 runs every delivery."""
    dedup_url: str = setting("ASYA_DEDUP_URL", check_url, MEMORY, secret=True)
    """Where that is remembered: `postgresql://user:password@host/database`, shared by all replicas, or `memory:`, each
    replica for itself."""
    limits_url: str = setting("ASYA_LIMITS_URL", check_limits_url, MEMORY, instead=("ASYA_DEDUP_URL",), secret=True)
    """Where limits count, shared by all actors and replicas: `postgresql://user:password@host/database`,
    `sqlite:///path` for the processes of one machine, or `memory:`, each sidecar for itself. Unset takes
    `ASYA_DEDUP_URL`."""
    cancel_poll_s: float = setting("ASYA_CANCEL_POLL", parse_duration, "1s")
    """How often a sidecar with work in hand looks for cancels in the object store; 0 never looks. Without a store there
    are no cancels."""
    runtime_ready_timeout_s: float = setting("ASYA_RUNTIME_READY_TIMEOUT", parse_duration, "5m")
    """How long to wait for the runtime at the start."""
    drain_timeout_s: float = setting("ASYA_DRAIN_TIMEOUT", parse_duration, "25s")
    """How long running handlers may finish after SIGTERM; the rest is given back. Below the pod's termination grace
    period (30 s by default)."""
    gateway_url: str | None = setting(
        "ASYA_GATEWAY_URL", lambda text: starts_with("http://", "https://")(text).rstrip("/"), None
    )
    """Where to report; unset reports nothing."""
    gateway_token: str | None = setting("ASYA_GATEWAY_TOKEN", str, None, secret=True)
    """Bearer token for the gateway; it needs the scope `report`."""
    metrics_enabled: bool = setting("ASYA_METRICS_ENABLED", flag, "true")
    """Serve /metrics, /health and /ready."""
    metrics_addr: str = setting("ASYA_METRICS_ADDR", str, ":8080")
    """`host:port`; port 0 picks one and writes it to `sidecar-http` in the socket folder."""
    metrics_namespace: str = setting("ASYA_METRICS_NAMESPACE", str, "asya_actor")
    """Prefix of every metric."""
    custom_metrics: tuple[Declared, ...] = setting("ASYA_CUSTOM_METRICS", read_declarations, "")
    """Metrics of the handler's own: a JSON array of `{"name", "type", "help", "labels", "buckets"}`; docs/metrics.md says how a
    handler reports them."""
    log_level: str = setting("ASYA_LOG_LEVEL", log_level, "INFO")
    """DEBUG, INFO, WARN, WARNING or ERROR."""


def read_settings(environ: Mapping[str, str]) -> SidecarSettings:
    """Read the settings; an empty value equals unset.

    Raises:
        SettingsError: A required variable is missing, or a value cannot be used; names the variable.
    """
    if environ.get("ASYA_ACTOR_NAME") == names.FAN_IN and not environ.get("ASYA_IS_COLLECTOR"):
        environ = {**environ, "ASYA_IS_COLLECTOR": "true"}
    transport = read_transport_settings(environ)
    return read(
        SidecarSettings,
        environ,
        hop=read(Hop, environ, retry=read(RetryPolicy, environ), queue_names=transport.queue_names),
        transport=transport,
        store=read_store_settings(environ),
        traces=read_trace_settings(environ),
    )
