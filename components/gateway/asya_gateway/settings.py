"""Settings of one gateway, read from the environment that Asya 0.1.1's chart sets; nothing else here reads it.

A value that cannot be used stops the start and names the variable.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asya_gateway.access.oidc import Provider, Verifier, check_url
from asya_gateway.access.tokens import Door, parse_tokens
from asya_gateway.actors.sources import check_source, default_source
from asya_gateway.store.factory import MEMORY, check_database_url
from asya_protocol.errors import SettingsError
from asya_store.settings import StoreSettings, read_store_settings
from asya_transport.settings import TransportSettings, read_duration, read_int, read_transport_settings

_LEVELS: Final = {"DEBUG": "DEBUG", "INFO": "INFO", "WARN": "WARNING", "WARNING": "WARNING", "ERROR": "ERROR"}
_ORIGIN: Final = re.compile(r"https?://[^/\s*]+")
MIB: Final = 1024 * 1024
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - a pod's address is not known before it runs


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Everything that one gateway is told."""

    transport: TransportSettings
    """`ASYA_TRANSPORT` and the variables of the transport; unset, `ASYA_SQS_ENDPOINT` or `ASYA_RABBITMQ_URL` decides."""
    door: Door = field(default_factory=Door)
    """`ASYA_GATEWAY_TOKENS`: bearer tokens, separated by spaces or lines: `TOKEN`, or `TOKEN|scope,scope` with the scopes
    `call:<tool>`, `call:*`, `read`, `cancel`, `operate` (redrive), `report` (for sidecars), `metrics` (for
    Prometheus). Required, unless
    `ASYA_GATEWAY_TOKENS_FILE` names a file with them or `ASYA_GATEWAY_AUTH` is `off`, which lets everyone do everything."""
    public_url: str = ""
    """`ASYA_GATEWAY_PUBLIC_URL`: where callers reach it; with a provider, MCP clients learn there who gives out tokens."""
    rate: float = 0.0
    """`ASYA_GATEWAY_RATE`: requests per second that one caller may make, sidecars' reports aside; `0` is without limit."""
    burst: int = 0
    """`ASYA_GATEWAY_BURST`: requests that it may make at once after a pause; unset is two seconds' worth."""
    origins: frozenset[str] = frozenset()
    """`ASYA_GATEWAY_CORS_ORIGINS`: origins whose pages may call (`https://a.example`), separated by commas; unset is none.
    With `ASYA_GATEWAY_AUTH=off` also where the console is opened by a name that is neither `localhost` nor the public URL's."""
    tls: tuple[Path, Path] | None = None
    """`ASYA_GATEWAY_TLS_CERT`: certificate chain to serve HTTPS with, as PEM; read anew when it changes.
    `ASYA_GATEWAY_TLS_KEY` is its private key."""
    request_timeout_s: float = 30.0
    """`ASYA_GATEWAY_REQUEST_TIMEOUT`: how long the head and the body of a request may take to come."""
    host: str = "0.0.0.0"  # noqa: S104 - as below
    """`ASYA_GATEWAY_HOST`: address to listen on."""
    port: int = 8080
    """`ASYA_GATEWAY_PORT`: port to listen on; 0 picks one and says so in the log."""
    tools: Path | None = None
    """`ASYA_CONFIG_PATH`: a tool file, or a folder of them; unset serves no tools."""
    reload_s: float = 5.0
    """`ASYA_GATEWAY_TOOLS_RELOAD`: how often the tool files are looked at for changes; `0s` reads them once."""
    database_url: str = "memory:"
    """`ASYA_DATABASE_URL`: `postgresql://user:password@host/database`, shared by replicas; `sqlite:PATH`, for one gateway;
    unset or `memory:` forgets everything at the end."""
    database_min_connections: int = 2
    """`ASYA_DB_MIN_CONNS`: connections kept open."""
    database_max_connections: int = 10
    """`ASYA_DB_MAX_CONNS`: connections open at most, besides one that listens."""
    store: StoreSettings = field(default_factory=StoreSettings)
    """The object store that the mesh shares: a cancel reaches the actors through it, see asya_store."""
    max_body_bytes: int = 16_777_216
    """`ASYA_GATEWAY_MAX_BODY_BYTES`: largest request body; a larger one is answered with 413."""
    max_wait_s: float = 60.0
    """`ASYA_GATEWAY_MAX_WAIT`: how long `?wait=` may hold an answer back; keep it below proxies' idle limit."""
    history_s: float = 86400.0
    """`ASYA_GATEWAY_HISTORY`: how long the history of a finished envelope is kept (24h)."""
    kept_s: float | None = None
    """`ASYA_GATEWAY_RETENTION`: how long a finished envelope is kept at all, not less than its history; `0s` is for ever."""
    sweep_s: float = 1.0
    """`ASYA_GATEWAY_SWEEP`: how often deadlines are looked for."""
    drain_timeout_s: float = 10.0
    """`ASYA_DRAIN_TIMEOUT`: how long running requests may finish after SIGTERM."""
    actors: str = "queues"
    """`ASYA_GATEWAY_ACTORS`: who tells the console how actors stand: `kubernetes` (AsyncActor objects; `kubernetes:NAMESPACE`
    for one namespace), `mesh:PATH` (a local mesh's `status.json`), or `queues` (the broker's, without status and replicas).
    Unset is `kubernetes` in a pod, else `queues`."""
    log_level: str = "INFO"
    """`ASYA_LOG_LEVEL`: DEBUG, INFO, WARN, WARNING or ERROR."""


def read_settings(environ: Mapping[str, str]) -> GatewaySettings:
    """Read the settings; an empty value equals unset.

    Raises:
        SettingsError: A value cannot be used, or nothing says who may call; names the variable.
    """
    env = {key: value for key, value in environ.items() if value != ""}
    level = env.get("ASYA_LOG_LEVEL", "INFO").upper()
    if level not in _LEVELS:
        raise SettingsError("ASYA_LOG_LEVEL", f"{level!r} is not one of {', '.join(_LEVELS)}")
    least = read_int(env, "ASYA_DB_MIN_CONNS", 2, low=0, high=1000) or 0
    most = read_int(env, "ASYA_DB_MAX_CONNS", 10, low=1, high=1000) or 10
    sweep_s = read_duration(env, "ASYA_GATEWAY_SWEEP", 1.0)
    if sweep_s <= 0:
        raise SettingsError("ASYA_GATEWAY_SWEEP", "must be longer than 0s")
    return GatewaySettings(
        transport=read_transport_settings(_with_transport(env)),
        door=_read_door(env),
        public_url=_read_public_url(env),
        rate=(rate := _read_rate(env)),
        burst=read_int(env, "ASYA_GATEWAY_BURST", max(1, int(2 * rate)), low=1, high=10**6) or 1,
        origins=_read_origins(env),
        tls=_read_tls(env),
        request_timeout_s=read_duration(env, "ASYA_GATEWAY_REQUEST_TIMEOUT", 30.0),
        host=env.get("ASYA_GATEWAY_HOST", EVERYWHERE),
        port=read_int(env, "ASYA_GATEWAY_PORT", 8080, low=0, high=65535) or 0,
        tools=Path(env["ASYA_CONFIG_PATH"]) if "ASYA_CONFIG_PATH" in env else None,
        reload_s=read_duration(env, "ASYA_GATEWAY_TOOLS_RELOAD", 5.0),
        database_url=_read_database_url(env),
        database_min_connections=min(least, most),
        database_max_connections=most,
        store=read_store_settings(env),
        max_body_bytes=read_int(env, "ASYA_GATEWAY_MAX_BODY_BYTES", 16 * MIB, low=1024, high=2**31) or 16 * MIB,
        max_wait_s=read_duration(env, "ASYA_GATEWAY_MAX_WAIT", 60.0),
        history_s=read_duration(env, "ASYA_GATEWAY_HISTORY", 86400.0),
        kept_s=_read_retention(env),
        sweep_s=sweep_s,
        drain_timeout_s=read_duration(env, "ASYA_DRAIN_TIMEOUT", 10.0),
        actors=_read_source(env),
        log_level=_LEVELS[level],
    )


def _with_transport(env: Mapping[str, str]) -> dict[str, str]:
    """Choose as Asya 0.1.1 does where nothing is said, and take its name for the region."""
    transport = "rabbitmq" if "ASYA_RABBITMQ_URL" in env and "ASYA_SQS_ENDPOINT" not in env else "sqs"
    defaults = {"ASYA_TRANSPORT": transport}
    if "ASYA_SQS_REGION" in env:
        defaults["ASYA_AWS_REGION"] = env["ASYA_SQS_REGION"]
    return {**defaults, **env}


def _read_rate(env: Mapping[str, str]) -> float:
    text = env.get("ASYA_GATEWAY_RATE", "0")
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise SettingsError("ASYA_GATEWAY_RATE", f"{text!r} is no number of requests per second")
    return rate


def _read_origins(env: Mapping[str, str]) -> frozenset[str]:
    origins = {origin.strip() for origin in env.get("ASYA_GATEWAY_CORS_ORIGINS", "").split(",")} - {""}
    for origin in sorted(origins):
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError("ASYA_GATEWAY_CORS_ORIGINS", f"{origin!r} is no origin like https://console.example")
    return frozenset(origins)


def _read_tls(env: Mapping[str, str]) -> tuple[Path, Path] | None:
    names = ("ASYA_GATEWAY_TLS_CERT", "ASYA_GATEWAY_TLS_KEY")
    given = [name for name in names if name in env]
    if not given:
        return None
    for name in names:
        if name not in env:
            raise SettingsError(name, f"is needed beside {given[0]}")
        if not Path(env[name]).is_file():
            raise SettingsError(name, f"there is no file {env[name]}")
    return Path(env[names[0]]), Path(env[names[1]])


def _read_public_url(env: Mapping[str, str]) -> str:
    variable = "ASYA_GATEWAY_PUBLIC_URL"
    return check_url(env[variable], variable).rstrip("/") if variable in env else ""


def _read_provider(env: Mapping[str, str]) -> Verifier | None:
    prefix = "ASYA_GATEWAY_OIDC_"
    given = sorted(name for name in env if name.startswith(prefix))
    if not given:
        return None
    for name in (f"{prefix}ISSUER", f"{prefix}AUDIENCE"):
        if name not in env:
            raise SettingsError(name, f"is needed beside {given[0]}")
    keys = f"{prefix}JWKS_URL"
    return Verifier(
        Provider(
            issuer=check_url(env[f"{prefix}ISSUER"], f"{prefix}ISSUER"),
            audience=env[f"{prefix}AUDIENCE"],
            keys_url=check_url(env[keys], keys) if keys in env else "",
            scope_claim=env.get(f"{prefix}SCOPE_CLAIM", "scope"),
        )
    )


def _read_retention(env: Mapping[str, str]) -> float | None:
    kept_s = read_duration(env, "ASYA_GATEWAY_RETENTION", 0.0)
    if 0 < kept_s < (history_s := read_duration(env, "ASYA_GATEWAY_HISTORY", 86400.0)):
        raise SettingsError("ASYA_GATEWAY_RETENTION", f"must not be shorter than ASYA_GATEWAY_HISTORY ({history_s:g}s)")
    return kept_s or None


def _read_database_url(env: Mapping[str, str]) -> str:
    url = env.get("ASYA_DATABASE_URL", MEMORY)
    try:
        check_database_url(url)
    except ValueError as exc:
        raise SettingsError("ASYA_DATABASE_URL", str(exc)) from None
    return url


def _read_source(env: Mapping[str, str]) -> str:
    source = env.get("ASYA_GATEWAY_ACTORS", default_source(env))
    try:
        check_source(source)
    except ValueError as exc:
        raise SettingsError("ASYA_GATEWAY_ACTORS", str(exc)) from None
    return source


def _read_door(env: Mapping[str, str]) -> Door:
    mode = env.get("ASYA_GATEWAY_AUTH", "tokens").lower()
    provider = _read_provider(env)
    if mode not in {"tokens", "off"}:
        raise SettingsError("ASYA_GATEWAY_AUTH", f"{mode!r} is neither tokens nor off")
    if mode == "off":
        if "ASYA_GATEWAY_TOKENS" in env or "ASYA_GATEWAY_TOKENS_FILE" in env or provider is not None:
            raise SettingsError("ASYA_GATEWAY_AUTH", "is off, but tokens are given too; remove one of them")
        return Door(None)
    callers = parse_tokens(env.get("ASYA_GATEWAY_TOKENS", ""), "ASYA_GATEWAY_TOKENS")
    if "ASYA_GATEWAY_TOKENS_FILE" in env:
        try:
            text = Path(env["ASYA_GATEWAY_TOKENS_FILE"]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise SettingsError("ASYA_GATEWAY_TOKENS_FILE", str(exc)) from None
        callers |= parse_tokens(text, "ASYA_GATEWAY_TOKENS_FILE")
    if not callers and provider is None:
        raise SettingsError(
            "ASYA_GATEWAY_TOKENS", "names no token; give at least one, or set ASYA_GATEWAY_AUTH=off to let everyone in"
        )
    return Door(callers, provider)
