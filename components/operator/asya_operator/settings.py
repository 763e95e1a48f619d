"""Settings of the operator: Asya 0.1.1's environment variables and flags, and ours. Nothing else reads them.

A value that cannot be used stops the start and names the variable.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asya_manifest.errors import ManifestError
from asya_manifest.pod import EnvVar, KeyRef, ValueFrom
from asya_operator.transport_config import Transports, parse_transports
from asya_protocol import names
from asya_protocol.durations import parse_duration
from asya_protocol.errors import SettingsError
from asya_transport.settings import read_queue_prefix

_STORE_PREFIXES: Final = ("ASYA_S3_", "ASYA_STORE_URL", "ASYA_CLAIM_", "ASYA_DEDUP_", "ASYA_QUEUE_PREFIX")
_STORE_KEYS: Final = ("ASYA_S3_ACCESS_KEY", "ASYA_S3_SECRET_KEY")
"""Secrets: never written into a pod's manifest."""
_ON: Final = frozenset({"true", "1", "yes", "on"})
NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a pod finds the name of its own namespace."""


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Everything that one operator process is told."""

    transports: Transports = field(default_factory=Transports)
    """`ASYA_TRANSPORT_CONFIG`: the transports that actors may name, as JSON; empty knows none."""
    gateway_url: str = ""
    """`ASYA_GATEWAY_URL`: where sidecars report; empty reports nothing."""
    sidecar_image: str = "asya-sidecar:latest"
    """`ASYA_SIDECAR_IMAGE`: image of the injected sidecar, unless an actor names its own."""
    native_sidecar: bool = True
    """`ASYA_NATIVE_SIDECAR`: inject the sidecar as an init container that keeps running (Kubernetes 1.29 and newer), so
    that it starts before and ends after the handler; false injects a plain container."""
    runtime_script: Path = Path("/runtime/asya_runtime.py")
    """`ASYA_RUNTIME_SCRIPT_PATH`: the runtime that is put into every actor's namespace; where that file does not exist, the
    one installed beside the operator."""
    runtime_namespace: str = "asya"
    """`ASYA_RUNTIME_NAMESPACE` or `--runtime-namespace`: the operator's own namespace, also for its lease."""
    manage_queues: bool = True
    """`ASYA_DISABLE_QUEUE_MANAGEMENT`: `true` leaves making and deleting queues to somebody else."""
    queue_check_s: float = 10.0
    """`ASYA_QUEUE_HEALTH_CHECK_INTERVAL`: how often queues are looked for and counted."""
    workers: int = 10
    """`ASYA_MAX_CONCURRENT_RECONCILES` or `--max-concurrent-reconciles`: actors that are worked on at the same time."""
    queue_prefix: str = names.QUEUE_PREFIX
    """`ASYA_QUEUE_PREFIX`: begins every queue's name, so that two meshes can share an account; handed on to every sidecar."""
    store_env: tuple[EnvVar, ...] = ()
    """`ASYA_S3_*`, `ASYA_STORE_URL`, `ASYA_CLAIM_*`, `ASYA_DEDUP_*`: handed on to every sidecar. The store's keys are not
    among them: sidecars read `ASYA_S3_ACCESS_KEY` and `ASYA_S3_SECRET_KEY` from the secret that `ASYA_STORE_SECRET` names
    (`asya-store-credentials`) in their own namespace, where there is one. In the same way they read `ASYA_GATEWAY_TOKEN` from
    the key `token` of the secret that `ASYA_GATEWAY_TOKEN_SECRET` names, where the gateway wants tokens."""
    metrics_addr: str = ":8080"
    """`--metrics-bind-address`: where /metrics is served."""
    probe_addr: str = ":8081"
    """`--health-probe-bind-address`: where /healthz and /readyz are served."""
    leader_elect: bool = False
    """`--leader-elect`: of several replicas only the holder of the lease `asya-operator.asya.sh` works."""
    log_level: str = "INFO"
    """`ASYA_LOG_LEVEL`: DEBUG, INFO, WARNING or ERROR."""


def read_settings(argv: Sequence[str], environ: Mapping[str, str]) -> OperatorSettings:
    """Read flags and environment; a flag wins, an empty variable equals unset.

    Raises:
        SettingsError: A value cannot be used; names the variable.
        SystemExit: A flag is not known (code 2), or help was asked for (0).
    """
    env = {key: value for key, value in environ.items() if value != ""}
    flags = _parser().parse_args(list(argv))
    try:
        transports = parse_transports(env.get("ASYA_TRANSPORT_CONFIG", ""))
    except ManifestError as exc:
        raise SettingsError("ASYA_TRANSPORT_CONFIG", str(exc)) from exc
    level = env.get("ASYA_LOG_LEVEL", "INFO").upper()
    level = "WARNING" if level == "WARN" else level
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise SettingsError("ASYA_LOG_LEVEL", f"{level!r} is not one of DEBUG, INFO, WARNING, ERROR")
    return OperatorSettings(
        transports=transports,
        gateway_url=env.get("ASYA_GATEWAY_URL", ""),
        sidecar_image=env.get("ASYA_SIDECAR_IMAGE", "asya-sidecar:latest"),
        native_sidecar=env.get("ASYA_NATIVE_SIDECAR", "true").lower() in _ON,
        runtime_script=Path(env.get("ASYA_RUNTIME_SCRIPT_PATH", "/runtime/asya_runtime.py")),
        runtime_namespace=flags.runtime_namespace or env.get("ASYA_RUNTIME_NAMESPACE") or _own_namespace(),
        manage_queues=env.get("ASYA_DISABLE_QUEUE_MANAGEMENT", "").lower() != "true",
        queue_check_s=_interval(env),
        workers=flags.max_concurrent_reconciles or _workers(env),
        queue_prefix=read_queue_prefix(env),
        store_env=(*_store_env(env), *_gateway_token(env)),
        metrics_addr=flags.metrics_bind_address,
        probe_addr=flags.health_probe_bind_address,
        leader_elect=flags.leader_elect,
        log_level=level,
    )


def _store_env(env: Mapping[str, str]) -> tuple[EnvVar, ...]:
    plain = [
        EnvVar(name=name, value=value)
        for name, value in sorted(env.items())
        if name.startswith(_STORE_PREFIXES) and name not in _STORE_KEYS
    ]
    if "ASYA_S3_BUCKET" not in env:
        return tuple(plain)
    secret = env.get("ASYA_STORE_SECRET", "asya-store-credentials")
    keys = [
        EnvVar(name=name, value_from=ValueFrom(secret_key_ref=KeyRef(name=secret, key=name, optional=True)))
        for name in _STORE_KEYS
    ]
    return (*plain, *keys)


def _gateway_token(env: Mapping[str, str]) -> tuple[EnvVar, ...]:
    secret = env.get("ASYA_GATEWAY_TOKEN_SECRET")
    if secret is None:
        return ()
    source = ValueFrom(secret_key_ref=KeyRef(name=secret, key="token", optional=True))
    return (EnvVar(name="ASYA_GATEWAY_TOKEN", value_from=source),)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="asya-operator", description="Makes Kubernetes follow AsyncActors.")
    parser.add_argument("--metrics-bind-address", default=":8080", metavar="HOST:PORT", help="default :8080")
    parser.add_argument("--health-probe-bind-address", default=":8081", metavar="HOST:PORT", help="default :8081")
    parser.add_argument("--leader-elect", action="store_true", help="work only while holding the lease")
    parser.add_argument("--runtime-namespace", metavar="NAME", help="the operator's own namespace")
    parser.add_argument("--max-concurrent-reconciles", type=int, metavar="N", help="actors at the same time (10)")
    return parser


def _own_namespace() -> str:
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip() or "asya"
    except OSError:
        return "asya"


def _interval(env: Mapping[str, str]) -> float:
    try:
        interval_s = parse_duration(env.get("ASYA_QUEUE_HEALTH_CHECK_INTERVAL", "10s"))
    except ValueError as exc:
        raise SettingsError("ASYA_QUEUE_HEALTH_CHECK_INTERVAL", str(exc)) from None
    if interval_s <= 0:
        raise SettingsError("ASYA_QUEUE_HEALTH_CHECK_INTERVAL", "must be more than 0s")
    return interval_s


def _workers(env: Mapping[str, str]) -> int:
    text = env.get("ASYA_MAX_CONCURRENT_RECONCILES", "10")
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise SettingsError("ASYA_MAX_CONCURRENT_RECONCILES", f"{text!r} is not a whole number from 1 to 1000")
    return int(text)
