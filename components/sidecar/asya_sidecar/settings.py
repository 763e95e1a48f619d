"""Settings of one sidecar, read from the environment that Asya 0.1.1's manifests set; nothing else here reads it.

A value that cannot be used stops the start and names the variable; Asya 0.1.1 fell back in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asya_protocol import names
from asya_protocol.errors import SettingsError
from asya_sidecar.core.admit import Hop
from asya_sidecar.core.retry import RetryPolicy
from asya_store.claims import DEFAULT_OVER_BYTES
from asya_store.dedup import MEMORY, check_url
from asya_store.settings import StoreSettings, read_store_settings
from asya_transport.settings import TransportSettings, read_duration, read_int, read_transport_settings

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_LEVELS: Final = {"DEBUG": "DEBUG", "INFO": "INFO", "WARN": "WARNING", "WARNING": "WARNING", "ERROR": "ERROR"}


@dataclass(frozen=True, slots=True)
class SidecarSettings:
    """Everything that one sidecar is told."""

    hop: Hop
    """`ASYA_ACTOR_NAME` (required), `ASYA_ACTOR_HAPPY_END`, `ASYA_ACTOR_ERROR_END`, `ASYA_IS_END_ACTOR`,
    `ASYA_IS_COLLECTOR`, `ASYA_RUNTIME_TIMEOUT` (5m), `ASYA_RETRY_*` (see docs/promises.md), `ASYA_MAX_DELIVERIES` (5)."""
    transport: TransportSettings
    """`ASYA_TRANSPORT` and the variables of the transport."""
    socket_dir: Path = Path("/var/run/asya")
    """`ASYA_SOCKET_DIR`: folder shared with the runtime."""
    concurrency: int = 1
    """`ASYA_CONCURRENCY`: handler calls at the same time; no more than the runtime, which reads it too, announces."""
    batch_size: int | None = None
    """`ASYA_BATCH_SIZE`: envelopes that the handler gets at once, as a list; the runtime reads it too. Unset takes what
    the runtime announces; a runtime without it gets one payload at a time."""
    batch_wait_s: float = 0.05
    """`ASYA_BATCH_WAIT_MS`: milliseconds to wait for a batch to fill (50)."""
    store: StoreSettings = field(default_factory=StoreSettings)
    """The object store that the mesh shares, see asya_store."""
    claim_over_bytes: int = DEFAULT_OVER_BYTES
    """`ASYA_CLAIM_OVER_BYTES`: envelopes over this size leave their payload in the object store; 0 never does. Without a
    store they travel whole, as far as the broker takes them."""
    dedup_window_s: float = 0.0
    """`ASYA_DEDUP_WINDOW`: for so long a duplicate of an envelope that this actor has finished is dropped; 0 (the default)
    runs every delivery."""
    dedup_url: str = "memory:"
    """`ASYA_DEDUP_URL`: where that is remembered: `postgresql://user:password@host/database`, shared by all replicas, or
    `memory:`, each replica for itself."""
    cancel_poll_s: float = 1.0
    """`ASYA_CANCEL_POLL`: how often a sidecar with work in hand looks for cancels in the object store; 0 never looks.
    Without a store there are no cancels."""
    runtime_ready_timeout_s: float = 300.0
    """`ASYA_RUNTIME_READY_TIMEOUT`: how long to wait for the runtime at the start."""
    drain_timeout_s: float = 25.0
    """`ASYA_DRAIN_TIMEOUT`: how long running handlers may finish after SIGTERM; the rest is given back. Below the
    pod's termination grace period (30 s by default)."""
    gateway_url: str | None = None
    """`ASYA_GATEWAY_URL`: where to report; unset reports nothing."""
    gateway_token: str | None = field(default=None, repr=False)
    """`ASYA_GATEWAY_TOKEN`: bearer token for the gateway; it needs the scope `report`."""
    metrics_enabled: bool = True
    """`ASYA_METRICS_ENABLED`: serve /metrics, /health and /ready."""
    metrics_addr: str = ":8080"
    """`ASYA_METRICS_ADDR`: `host:port`; port 0 picks one and writes it to `sidecar-http` in the socket folder."""
    metrics_namespace: str = "asya_actor"
    """`ASYA_METRICS_NAMESPACE`: prefix of every metric."""
    log_level: str = "INFO"
    """`ASYA_LOG_LEVEL`: DEBUG, INFO, WARN, WARNING or ERROR."""


def read_settings(environ: Mapping[str, str]) -> SidecarSettings:
    """Read the settings; an empty value equals unset.

    Raises:
        SettingsError: A required variable is missing, or a value cannot be used; names the variable.
    """
    env = {key: value for key, value in environ.items() if value != ""}
    actor = env.get("ASYA_ACTOR_NAME")
    if actor is None:
        raise SettingsError("ASYA_ACTOR_NAME", "is required: the name of the actor whose queue to consume")
    happy_end = env.get("ASYA_ACTOR_HAPPY_END", names.HAPPY_END)
    error_end = env.get("ASYA_ACTOR_ERROR_END", names.ERROR_END)
    level = env.get("ASYA_LOG_LEVEL", "INFO").upper()
    if level not in _LEVELS:
        raise SettingsError("ASYA_LOG_LEVEL", f"{level!r} is not one of {', '.join(_LEVELS)}")
    gateway_url = env.get("ASYA_GATEWAY_URL")
    if gateway_url and not gateway_url.startswith(("http://", "https://")):
        raise SettingsError("ASYA_GATEWAY_URL", "must start with http:// or https://")
    hop = Hop(
        actor=actor,
        happy_end=happy_end,
        error_end=error_end,
        is_end_actor=_read_bool(env, "ASYA_IS_END_ACTOR", default=False),
        is_collector=_read_bool(env, "ASYA_IS_COLLECTOR", default=actor == names.FAN_IN),
        retry=_read_retry(env),
        max_deliveries=read_int(env, "ASYA_MAX_DELIVERIES", 5, low=1, high=1000) or 5,
        timeout_s=read_duration(env, "ASYA_RUNTIME_TIMEOUT", 300.0) or 300.0,
    )
    return SidecarSettings(
        hop=hop,
        transport=read_transport_settings(env),
        socket_dir=Path(env.get("ASYA_SOCKET_DIR", "/var/run/asya")),
        concurrency=read_int(env, "ASYA_CONCURRENCY", 1, low=1, high=1000) or 1,
        batch_size=read_int(env, "ASYA_BATCH_SIZE", None, low=1, high=10_000),
        batch_wait_s=(read_int(env, "ASYA_BATCH_WAIT_MS", 50, low=0, high=60_000) or 0) / 1000,
        store=read_store_settings(env),
        claim_over_bytes=read_int(env, "ASYA_CLAIM_OVER_BYTES", DEFAULT_OVER_BYTES, low=0, high=2**31) or 0,
        dedup_window_s=read_duration(env, "ASYA_DEDUP_WINDOW", 0.0),
        dedup_url=_read_dedup_url(env),
        cancel_poll_s=read_duration(env, "ASYA_CANCEL_POLL", 1.0),
        runtime_ready_timeout_s=read_duration(env, "ASYA_RUNTIME_READY_TIMEOUT", 300.0),
        drain_timeout_s=read_duration(env, "ASYA_DRAIN_TIMEOUT", 25.0),
        gateway_url=gateway_url.rstrip("/") if gateway_url else None,
        gateway_token=env.get("ASYA_GATEWAY_TOKEN"),
        metrics_enabled=_read_bool(env, "ASYA_METRICS_ENABLED", default=True),
        metrics_addr=env.get("ASYA_METRICS_ADDR", ":8080"),
        metrics_namespace=env.get("ASYA_METRICS_NAMESPACE", "asya_actor"),
        log_level=_LEVELS[level],
    )


def _read_dedup_url(env: Mapping[str, str]) -> str:
    url = env.get("ASYA_DEDUP_URL", MEMORY)
    try:
        check_url(url)
    except ValueError as exc:
        raise SettingsError("ASYA_DEDUP_URL", str(exc)) from None
    return url


def _read_retry(env: Mapping[str, str]) -> RetryPolicy:
    max_delay_s = read_duration(env, "ASYA_RETRY_MAX_DELAY", 300.0)
    if max_delay_s > 900:
        # SQS DelaySeconds ends at 15 min; a longer promise could not be kept on every transport.
        raise SettingsError("ASYA_RETRY_MAX_DELAY", f"{max_delay_s:g}s is over the longest delay of 15m")
    return RetryPolicy(
        max_attempts=read_int(env, "ASYA_RETRY_MAX_ATTEMPTS", 3, low=1, high=1000) or 3,
        initial_delay_s=read_duration(env, "ASYA_RETRY_INITIAL_DELAY", 1.0),
        max_delay_s=max_delay_s,
        multiplier=_read_float(env, "ASYA_RETRY_MULTIPLIER", 2.0, low=1.0, high=100.0),
        jitter=_read_float(env, "ASYA_RETRY_JITTER", 0.2, low=0.0, high=1.0),
        retry_on=_read_names(env, "ASYA_RETRY_ON"),
        non_retryable=_read_names(env, "ASYA_RETRY_NON_RETRYABLE"),
    )


def _read_bool(env: Mapping[str, str], variable: str, *, default: bool) -> bool:
    text = env.get(variable, "").lower()
    if not text:
        return default
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise SettingsError(variable, f"{text!r} is neither true (true, 1, yes, on) nor false (false, 0, no, off)")


def _read_float(env: Mapping[str, str], variable: str, default: float, *, low: float, high: float) -> float:
    text = env.get(variable)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(variable, f"{text!r} is not a number") from None
    if not low <= value <= high:
        raise SettingsError(variable, f"{value:g} is outside {low:g} to {high:g}")
    return value


def _read_names(env: Mapping[str, str], variable: str) -> frozenset[str]:
    return frozenset(name.strip() for name in env.get(variable, "").split(",") if name.strip())
