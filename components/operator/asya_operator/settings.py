"""Settings of the operator: Asya 0.1.1's environment variables and flags, and ours. Nothing else reads them.

A value that cannot be used stops the start and names the variable.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from asya_manifest.actor import OPERATOR_CLASS
from asya_manifest.errors import ManifestError
from asya_manifest.pod import EnvVar, KeyRef, ValueFrom
from asya_operator.specs.pod_defaults import USER
from asya_operator.transport_config import Transports, parse_transports
from asya_process.settings import choice, flag, is_on, log_level, longer_than_zero, read, setting, whole, words
from asya_process.trace_settings import HANDED_ON, TraceSettings, read_trace_settings
from asya_protocol.names import QUEUE_PREFIX, QueueNames

_HANDED_ON: Final = (
    "ASYA_S3_",
    "ASYA_STORE_URL",
    "ASYA_CLAIM_",
    "ASYA_DEDUP_",
    "ASYA_LIMITS_URL",
    *HANDED_ON,
)
_OWN: Final = frozenset({"OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"})
"""The operator's name is no actor's, and headers hold credentials, which have no place in a pod template."""
_STORE_KEYS: Final = ("ASYA_S3_ACCESS_KEY", "ASYA_S3_SECRET_KEY")
"""Secrets: never written into a pod's manifest."""
NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a pod finds the name of its own namespace."""
LABEL_VALUE: Final = r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?"
"""What Kubernetes takes as a label's value."""


def _class(text: str) -> str:
    if text and re.fullmatch(OPERATOR_CLASS, text) is None:
        raise ValueError(f"{text!r} is no class: lowercase letters, digits and '-'")
    return text


def _user(text: str) -> int:
    return 0 if text == "cluster" else whole(1, 2**31 - 1)(text)


def _labels(text: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name or re.fullmatch(LABEL_VALUE, value) is None:
            raise ValueError(f"{part!r} is no label: write name=value, several with commas")
        found[name] = value
    return tuple(found.items())


def _transports(text: str) -> Transports:
    try:
        return parse_transports(text)
    except ManifestError as exc:
        raise ValueError(str(exc)) from exc


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Everything that one operator process is told."""

    transports: Transports = setting("ASYA_TRANSPORT_CONFIG", _transports, "")
    """The transports that actors may name, as JSON; empty knows none."""
    gateway_url: str = setting("ASYA_GATEWAY_URL", str, "")
    """Where sidecars report; empty reports nothing."""
    sidecar_image: str = setting("ASYA_SIDECAR_IMAGE", str, "asya-sidecar:latest")
    """Image of the injected sidecar, unless an actor names its own."""
    restricted: bool = setting(
        "ASYA_ACTOR_POLICY", lambda text: choice("restricted", "off")(text) != "off", "restricted"
    )
    """`restricted` refuses actors that ask for their node (host namespaces, paths and ports, privileged containers,
    capabilities beyond Pod Security's `baseline`), for another actor's service account, or for other wiring of their
    sidecar (`ASYA_ACTOR_NAME` and the like in `spec.sidecar.env`); `off` refuses nothing."""
    actor_user: int = setting("ASYA_ACTOR_USER", _user, str(USER))
    """User and groups of pods whose template names none; `cluster` leaves them to the cluster, as OpenShift wants it."""
    native_sidecar: bool = setting("ASYA_NATIVE_SIDECAR", is_on, "true")
    """Inject the sidecar as an init container that keeps running (Kubernetes 1.29 and newer), so that it starts before
    and ends after the handler; `false` injects a plain container."""
    runtime_script: Path = setting("ASYA_RUNTIME_SCRIPT_PATH", Path, "/runtime/asya_runtime.py")
    """The runtime that is put into every actor's namespace; where that file does not exist, the one installed beside
    the operator."""
    runtime_namespace: str = setting("--runtime-namespace", str, "asya", instead=("ASYA_RUNTIME_NAMESPACE",))
    """The operator's own namespace, also for its lease; unset in a pod is the pod's."""
    pod: str = setting("HOSTNAME", str, "")
    """Its pod's name, as Kubernetes sets it; by it an operator knows its own Deployment among those of others."""
    manage_queues: bool = setting("ASYA_DISABLE_QUEUE_MANAGEMENT", lambda text: text.lower() != "true", "false")
    """`true` leaves making and deleting queues to somebody else."""
    queue_check_s: float = setting("ASYA_QUEUE_HEALTH_CHECK_INTERVAL", longer_than_zero, "10s")
    """How often queues are looked for and counted."""
    workers: int = setting(
        "--max-concurrent-reconciles", whole(1, 1000), "10", instead=("ASYA_MAX_CONCURRENT_RECONCILES",)
    )
    """Actors that are worked on at the same time."""
    queue_names: QueueNames = setting("ASYA_QUEUE_PREFIX", QueueNames, QUEUE_PREFIX)
    """Begins every queue's name, so that two meshes can share an account; handed on to every sidecar."""
    handed_on: tuple[EnvVar, ...] = ()
    """Environment of every sidecar: ``ASYA_S3_*``, ``ASYA_STORE_URL``, ``ASYA_CLAIM_*``, ``ASYA_DEDUP_*``,
    ``ASYA_LIMITS_URL``, ``OTEL_*`` as the operator has them, the prefix of queues, and references to the secrets below."""
    store_secret: str = setting("ASYA_STORE_SECRET", str, "asya-store-credentials")
    """With `ASYA_S3_BUCKET`: secret, in the sidecars' namespace, from which they read `ASYA_S3_ACCESS_KEY` and
    `ASYA_S3_SECRET_KEY`, where there is one. `ASYA_S3_*` but these keys, `ASYA_STORE_URL`, `ASYA_CLAIM_*`,
    `ASYA_DEDUP_*`, `ASYA_LIMITS_URL`, `ASYA_TRACE_URL` and `OTEL_*` but its service's name and its headers are handed on
    to sidecars as they are."""
    token_secret: str | None = setting("ASYA_GATEWAY_TOKEN_SECRET", str, None)
    """Secret whose key `token` sidecars read as their `ASYA_GATEWAY_TOKEN`, where the gateway wants tokens."""
    operator_class: str = setting("ASYA_OPERATOR_CLASS", _class, "")
    """Keep the actors whose `spec.operatorClass` is this, and no others; empty keeps those that name none."""
    crew_namespace: str = setting("ASYA_CREW_NAMESPACE", str, "")
    """Only in this namespace may `happy-end`, `error-end` and `fan-in` be, to which all actors send; empty is where they
    were made first."""
    namespaces: frozenset[str] = setting("ASYA_WATCH_NAMESPACES", words, "")
    """Namespaces whose actors are kept, with commas between them; empty keeps those of all."""
    monitor_labels: tuple[tuple[str, str], ...] = setting("ASYA_POD_MONITOR_LABELS", _labels, "")
    """Labels that every actor's PodMonitor gets, `name=value` with commas between them: those by which the cluster's
    Prometheus chooses its monitors, such as `release=kube-prometheus-stack`."""
    traces: TraceSettings = field(default_factory=TraceSettings)
    metrics_addr: str = setting("--metrics-bind-address", str, ":8080")
    """`host:port` where /metrics is served."""
    probe_addr: str = setting("--health-probe-bind-address", str, ":8081")
    """`host:port` where /healthz and /readyz are served."""
    leader_elect: bool = setting("--leader-elect", flag, "false")
    """Of several replicas only the holder of the lease works: `asya-operator.asya.sh`, or `asya-operator-CLASS.asya.sh`."""
    log_level: str = setting("ASYA_LOG_LEVEL", log_level, "INFO")
    """DEBUG, INFO, WARN, WARNING or ERROR."""


def read_settings(argv: Sequence[str], environ: Mapping[str, str]) -> OperatorSettings:
    """Read flags and environment; a flag wins, an empty variable equals unset.

    Raises:
        SettingsError: A value cannot be used; names the variable.
        SystemExit: A flag is not known (code 2), or help was asked for (0).
    """
    env = {key: value for key, value in {**environ, **_flags(argv)}.items() if value != ""}
    settings = read(OperatorSettings, {"ASYA_RUNTIME_NAMESPACE": _own_namespace(), **env})
    return replace(settings, handed_on=_handed_on(env, settings), traces=read_trace_settings(env))


def _handed_on(env: Mapping[str, str], settings: OperatorSettings) -> tuple[EnvVar, ...]:
    plain = {
        name: value for name, value in env.items() if name.startswith(_HANDED_ON) and name not in (*_STORE_KEYS, *_OWN)
    }
    if settings.queue_names != QueueNames():
        plain["ASYA_QUEUE_PREFIX"] = settings.queue_names.prefix
    entries = [EnvVar(name=name, value=value) for name, value in sorted(plain.items())]
    if "ASYA_S3_BUCKET" in env:
        entries += [_from_secret(name, settings.store_secret, name) for name in _STORE_KEYS]
    if settings.token_secret is not None:
        entries.append(_from_secret("ASYA_GATEWAY_TOKEN", settings.token_secret, "token"))
    return tuple(entries)


def _from_secret(name: str, secret: str, key: str) -> EnvVar:
    return EnvVar(name=name, value_from=ValueFrom(secret_key_ref=KeyRef(name=secret, key=key, optional=True)))


def _flags(argv: Sequence[str]) -> dict[str, str]:
    """Read the flags; each is a setting of its name."""
    parser = argparse.ArgumentParser(prog="asya-operator", description="Makes Kubernetes follow AsyncActors.")
    parser.add_argument("--metrics-bind-address", metavar="HOST:PORT", help="default :8080")
    parser.add_argument("--health-probe-bind-address", metavar="HOST:PORT", help="default :8081")
    parser.add_argument("--leader-elect", action="store_const", const="true", help="work only while holding the lease")
    parser.add_argument("--runtime-namespace", metavar="NAME", help="the operator's own namespace")
    parser.add_argument("--max-concurrent-reconciles", metavar="N", help="actors at the same time (10)")
    given = vars(parser.parse_args(list(argv)))
    return {f"--{name.replace('_', '-')}": value for name, value in given.items() if value is not None}


def _own_namespace() -> str:
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
