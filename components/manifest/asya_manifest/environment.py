"""The environment of an actor's sidecar and runtime, as Kubernetes ``env`` entries in a fixed order. Pure.

The operator puts it into the pod, the local mesh into processes: both get it from here, so that a manifest
means the same in both. The names are Asya 0.1.1's where it has one (compatible with its sidecar image).
"""

from collections.abc import Iterable, Mapping
from typing import Final

from asya_manifest.actor import AsyncActor
from asya_manifest.labels import SOCKET_DIR
from asya_manifest.limit import LimitSpec, write_limits
from asya_manifest.pod import EnvVar
from asya_manifest.policies import Accepts
from asya_protocol import names
from asya_protocol.acceptance import Acceptance, write_acceptance
from asya_protocol.durations import format_duration

DRAIN_MARGIN: Final = 0.1
"""Share of the grace period kept back after the drain, for the last settlements and for the process to end."""
SHORTEST_GRACE_S: Final = 30.0
"""Grace period of a pod beyond its longest handler call."""
DEFAULT_PROCESSING_S: Final = 300.0
"""The sidecar's own limit of one handler call."""


def build_sidecar_env(
    actor: AsyncActor,
    *,
    transport: str,
    transport_env: Iterable[EnvVar] = (),
    handed_on: Iterable[EnvVar] = (),
    gateway_url: str = "",
    limits: Mapping[str, LimitSpec] | None = None,
    socket_dir: str = SOCKET_DIR,
    grace_s: float | None = None,
) -> list[EnvVar]:
    """List the sidecar's environment variables.

    Args:
        actor: As declared.
        transport: Value of ``ASYA_TRANSPORT``; the operator's configuration or the local mesh decides it.
        transport_env: What the transport needs (endpoints, regions, references to secrets).
        handed_on: What every sidecar of the mesh gets: the way to the object store, without which large payloads and
            cancels have nowhere to be; the prefix of queues.
        gateway_url: Where final states are reported; empty takes the literal ``ASYA_GATEWAY_URL`` of the runtime
            container, as Asya 0.1.1 does.
        limits: Those that there are, by name.
        socket_dir: Folder shared with the runtime.
        grace_s: Seconds from SIGTERM to SIGKILL; ``None`` takes what the manifest has.

    Returns:
        Entries in order; of two with one name the later wins, so ``spec.sidecar.env`` wins.

    Raises:
        InvalidActor: It names a limit that there is not.
    """
    entries = [
        ("ASYA_LOG_LEVEL", "info"),
        ("ASYA_GATEWAY_URL", gateway_url or _literal(actor, "ASYA_GATEWAY_URL")),
        ("ASYA_ACTOR_NAME", actor.name),
        ("ASYA_ACTOR_HAPPY_END", names.HAPPY_END),
        ("ASYA_ACTOR_ERROR_END", names.ERROR_END),
    ]
    if actor.is_end_actor:
        entries.append(("ASYA_IS_END_ACTOR", "true"))
    if actor.spec.timeout.processing > 0:
        entries.append(("ASYA_RUNTIME_TIMEOUT", _seconds(actor.spec.timeout.processing)))
    entries += _policies(actor)
    if actor.spec.limits:
        entries.append(("ASYA_LIMITS", write_limits(actor.name, actor.spec.limits, limits or {})))
    entries.append(("ASYA_DRAIN_TIMEOUT", format_duration(drain_timeout_s(actor, grace_s))))
    entries.append(("ASYA_TRANSPORT", transport))
    return [
        *(EnvVar(name=name, value=value) for name, value in entries),
        *transport_env,
        *handed_on,
        EnvVar(name="ASYA_SOCKET_DIR", value=socket_dir),
        *actor.spec.sidecar.env,
    ]


def build_runtime_env(actor: AsyncActor) -> list[EnvVar]:
    """List the runtime's environment variables besides the user's own, which win."""
    entries: list[tuple[str, str]] = []
    if actor.spec.sidecar.concurrency > 1:
        entries.append(("ASYA_CONCURRENCY", str(actor.spec.sidecar.concurrency)))
    if actor.spec.batch is not None:
        entries.append(("ASYA_BATCH_SIZE", str(actor.spec.batch.size)))
    if actor.spec.stream:
        entries.append(("ASYA_STREAM", "true"))
    if actor.spec.compat is not None:
        entries.append(("ASYA_COMPAT", actor.spec.compat))
    if actor.is_end_actor:
        entries.append(("ASYA_ENABLE_VALIDATION", "false"))
    return [EnvVar(name=name, value=value) for name, value in entries]


def grace_period_s(actor: AsyncActor) -> float:
    """Seconds that Kubernetes gives a pod from SIGTERM to SIGKILL.

    What the user set, in the pod template or here; else enough for a running handler to end: the processing timeout and
    30 s. 0 stands for the defaults: 30 s of grace, 5 min of processing.
    """
    timeout = actor.spec.timeout
    if actor.spec.workload.template.spec.termination_grace_period_seconds is not None:
        return asked_grace_s(actor)
    if "graceful_shutdown" in timeout.model_fields_set:
        return timeout.graceful_shutdown or SHORTEST_GRACE_S
    return (timeout.processing or DEFAULT_PROCESSING_S) + SHORTEST_GRACE_S


def asked_grace_s(actor: AsyncActor) -> float:
    """Seconds from SIGTERM to SIGKILL as the manifest has them: the pod template's, or ``spec.timeout.gracefulShutdown``."""
    own = actor.spec.workload.template.spec.termination_grace_period_seconds
    return actor.spec.timeout.graceful_shutdown if own is None else float(own)


def drain_timeout_s(actor: AsyncActor, grace_s: float | None = None) -> float:
    """Seconds that a stopping sidecar may take to finish its work, so that it is gone before it is killed.

    Args:
        actor: As declared.
        grace_s: Seconds from SIGTERM to SIGKILL; ``None`` takes what the manifest has.
    """
    return round((asked_grace_s(actor) if grace_s is None else grace_s) * (1 - DRAIN_MARGIN), 3)


def _accepts(given: Accepts) -> str:
    routes = tuple(map(tuple, given.routes))
    return write_acceptance(Acceptance(routes, given.other_routes, frozenset(given.control_headers)))


def _policies(actor: AsyncActor) -> list[tuple[str, str]]:
    retry, batch, dedup = actor.spec.retry, actor.spec.batch, actor.spec.delivery.dedup
    batching = [("ASYA_BATCH_SIZE", str(batch.size)), ("ASYA_BATCH_WAIT_MS", str(batch.wait_ms))] if batch else []
    return [
        ("ASYA_CONCURRENCY", str(actor.spec.sidecar.concurrency)),
        *batching,
        ("ASYA_RETRY_MAX_ATTEMPTS", str(retry.max_attempts)),
        ("ASYA_RETRY_INITIAL_DELAY", format_duration(retry.initial_delay)),
        ("ASYA_RETRY_MAX_DELAY", format_duration(retry.max_delay)),
        ("ASYA_RETRY_MULTIPLIER", f"{retry.multiplier:g}"),
        ("ASYA_RETRY_JITTER", f"{retry.jitter:g}"),
        ("ASYA_RETRY_ON", ",".join(retry.retry_on)),
        ("ASYA_RETRY_NON_RETRYABLE", ",".join(retry.non_retryable)),
        ("ASYA_MAX_DELIVERIES", str(actor.spec.delivery.max_deliveries)),
        *([("ASYA_DEDUP_WINDOW", format_duration(dedup.window))] if dedup else []),
        *([("ASYA_ACCEPTS", _accepts(actor.spec.accepts))] if actor.spec.accepts else []),
    ]


def _seconds(duration_s: float) -> str:
    """Write ``300s`` as Asya 0.1.1's operator does; parts of a second in Go's notation."""
    return f"{duration_s:.0f}s" if duration_s == int(duration_s) else format_duration(duration_s)


def _literal(actor: AsyncActor, name: str) -> str:
    values = [entry.value for entry in actor.spec.workload.template.runtime.env if entry.name == name and entry.value]
    return values[-1] if values else ""
