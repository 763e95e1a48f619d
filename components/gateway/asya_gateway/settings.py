"""Settings of one gateway, read from the environment that Asya 0.1.1's chart sets; nothing else here reads it.

A value that cannot be used stops the start and names the variable.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from asya_gateway.access.oidc import Provider, Verifier, check_url
from asya_gateway.access.token_file import TokenFile
from asya_gateway.access.tokens import Caller, Door, parse_tokens
from asya_gateway.actors.sources import check_source, default_source
from asya_gateway.callbacks.settings import CallbackSettings
from asya_gateway.store.factory import MEMORY, check_database_url
from asya_process import settings as process
from asya_process.settings import setting, whole
from asya_process.trace_settings import TraceSettings, read_trace_settings
from asya_protocol.durations import parse_duration
from asya_protocol.errors import SettingsError
from asya_protocol.not_before import LONGEST_WAIT
from asya_store.settings import Prefixes, StoreSettings, read_store_settings
from asya_transport.settings import TransportSettings, read_transport_settings

_ORIGIN: Final = re.compile(r"https?://[^/\s*]+")
_OIDC: Final = "ASYA_GATEWAY_OIDC_"


def _origins(text: str) -> frozenset[str]:
    origins = process.words(text)
    for origin in sorted(origins):
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is no origin like https://console.example")
    return origins


def _tokens_file(path: str) -> TokenFile:
    return TokenFile(Path(path))


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who may call a gateway. It needs tokens or a provider of them, unless everyone may do everything."""

    auth: str = setting("ASYA_GATEWAY_AUTH", process.choice("tokens", "off"), "tokens")
    """`tokens`, or `off`, which lets everyone do everything."""
    tokens: Mapping[bytes, Caller] | None = setting("ASYA_GATEWAY_TOKENS", parse_tokens, None)
    """Bearer tokens, separated by spaces or lines: `TOKEN`, or `TOKEN|scope,scope` with the scopes `call:<tool>`,
    `call:*`, `callback:<secret>`, `callback:*`, `read`, `cancel`, `operate` (redrive), `report` (for sidecars), `metrics`
    (for Prometheus)."""
    file: TokenFile | None = setting("ASYA_GATEWAY_TOKENS_FILE", _tokens_file, None)
    """A file with tokens, written in the same way, and read anew when it changes."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Everything that one gateway is told."""

    transport: TransportSettings
    """Where `ASYA_TRANSPORT` is unset, `ASYA_SQS_ENDPOINT` or `ASYA_RABBITMQ_URL` decides."""
    door: Door = field(default_factory=Door)
    store: StoreSettings = field(default_factory=StoreSettings)
    """The object store that the mesh shares: a cancel reaches the actors through it, and a replay reads failures there."""
    prefixes: Prefixes = field(default_factory=Prefixes)
    """Where in it the end actors keep what they get."""
    traces: TraceSettings = field(default_factory=TraceSettings)
    callbacks: CallbackSettings = field(default_factory=CallbackSettings)
    public_url: str = setting("ASYA_GATEWAY_PUBLIC_URL", lambda text: check_url(text).rstrip("/") if text else "", "")
    """Where callers reach it; with a provider, MCP clients learn there who gives out tokens."""
    rate: float = setting("ASYA_GATEWAY_RATE", process.number(0, 10**6), "0")
    """Requests per second that one caller may make, sidecars' reports aside; `0` is without limit."""
    burst: int = setting("ASYA_GATEWAY_BURST", whole(0, 10**6), "0")
    """Requests that it may make at once after a pause; `0` is two seconds' worth."""
    origins: frozenset[str] = setting("ASYA_GATEWAY_CORS_ORIGINS", _origins, "")
    """Origins whose pages may call (`https://a.example`), separated by commas. With `ASYA_GATEWAY_AUTH=off` also where
    the console is opened by a name that is neither `localhost` nor the public URL's."""
    tls_certificate: Path | None = setting("ASYA_GATEWAY_TLS_CERT", Path, None)
    """Certificate chain to serve HTTPS with, as PEM; read anew when it changes."""
    tls_key: Path | None = setting("ASYA_GATEWAY_TLS_KEY", Path, None)
    """Its private key."""
    request_timeout_s: float = setting("ASYA_GATEWAY_REQUEST_TIMEOUT", parse_duration, "30s")
    """How long the head and the body of a request may take to come."""
    host: str = setting("ASYA_GATEWAY_HOST", str, "0.0.0.0")  # noqa: S104 - a pod's is not known before it runs
    """Address to listen on."""
    port: int = setting("ASYA_GATEWAY_PORT", whole(0, 65535), "8080")
    """Port to listen on; 0 picks one and says so in the log."""
    tools: Path | None = setting("ASYA_CONFIG_PATH", Path, None)
    """A tool file, or a folder of them; unset serves no tools."""
    reload_s: float = setting("ASYA_GATEWAY_TOOLS_RELOAD", parse_duration, "5s")
    """How often the tool files are looked at for changes; `0s` reads them once."""
    database_url: str = setting("ASYA_DATABASE_URL", check_database_url, MEMORY, secret=True)
    """`postgresql://user:password@host/database`, shared by replicas; `sqlite:PATH`, for one gateway; `memory:` forgets
    everything at the end."""
    database_min_connections: int = setting("ASYA_DB_MIN_CONNS", whole(0, 1000), "2")
    """Connections kept open."""
    database_max_connections: int = setting("ASYA_DB_MAX_CONNS", whole(1, 1000), "10")
    """Connections open at most, besides one that listens."""
    max_body_bytes: int = setting("ASYA_GATEWAY_MAX_BODY_BYTES", whole(1024, 2**31), "16777216")
    """Largest request body; a larger one is answered with 413."""
    marked_reports: bool = setting("ASYA_GATEWAY_MARKED_REPORTS", process.flag, "false")
    """Take reports about envelopes of this gateway's only with the mark that it gave them, so that nobody who knows an id
    can end a call. Turn it on once every sidecar is of 0.2.0 or newer: those before show no mark. A local mesh has it on."""
    max_call_bytes: int = setting("ASYA_GATEWAY_MAX_CALL_BYTES", whole(1024, 2**31), "1048576")
    """Largest body of a tool call, over MCP too; a larger one is answered with 413. Large inputs belong into the object
    store, and their place into the call."""
    max_call_elements: int = setting("ASYA_GATEWAY_MAX_CALL_ELEMENTS", whole(1, 10**8), "100000")
    """Most values in the arguments of one call, those within lists and objects counted."""
    body_bytes_in_flight: int = setting("ASYA_GATEWAY_BODY_BYTES_IN_FLIGHT", whole(1024, 2**40), "67108864")
    """Bytes of request bodies that are held at a time, half of it by one caller; more is answered with 503, or 429. At
    least twice the largest body."""
    max_wait_s: float = setting("ASYA_GATEWAY_MAX_WAIT", parse_duration, "60s")
    """How long `?wait=` may hold an answer back; keep it below proxies' idle limit."""
    longest_wait_s: float = setting("ASYA_LONGEST_WAIT", parse_duration, LONGEST_WAIT)
    """How far ahead the moment of a call's `delay` or `notBefore` may lie; not further than the sidecars take it."""
    wait_s: float = setting("ASYA_GATEWAY_WAIT", parse_duration, "0s")
    """How long an MCP call that says nothing of waiting is held back to tell the result, of tools without a `wait` of
    their own; not longer than `ASYA_GATEWAY_MAX_WAIT`."""
    grace_s: float = setting("ASYA_GATEWAY_REPEAT_GRACE", parse_duration, "30s")
    """How long after a cut stream a call with a key may be repeated before it counts as cancelled (MCP 2026-07-28, where
    clients cancel by closing the stream)."""
    history_s: float = setting("ASYA_GATEWAY_HISTORY", parse_duration, "24h")
    """How long the history of a finished envelope is kept."""
    kept_s: float | None = setting("ASYA_GATEWAY_RETENTION", process.zero_is_unset(parse_duration), None)
    """How long a finished envelope is kept at all, not less than its history; unset or `0s` is for ever."""
    pieces_kept_s: float = setting("ASYA_GATEWAY_PIECES_KEPT", parse_duration, "10m")
    """How long after its end what an envelope's handlers streamed is kept, in memory, for readers that come back."""
    pieces_bytes: int = setting("ASYA_GATEWAY_PIECES_BYTES", whole(1024, 2**40), "67108864")
    """Most bytes of pieces, 4 MiB of them one envelope's; the streams that rested longest make room."""
    sweep_s: float = setting("ASYA_GATEWAY_SWEEP", process.longer_than_zero, "1s")
    """How often deadlines are looked for."""
    drain_timeout_s: float = setting("ASYA_DRAIN_TIMEOUT", parse_duration, "10s")
    """How long running requests may finish after SIGTERM."""
    actors: str = setting("ASYA_GATEWAY_ACTORS", check_source, "queues")
    """Who tells the console how actors stand: `kubernetes` (AsyncActor objects; `kubernetes:NAMESPACE` for one
    namespace), `mesh:PATH` (a local mesh's `status.json`), or `queues` (the broker's, without status and replicas).
    Unset is `kubernetes` in a pod."""
    sample_every_s: float = setting("ASYA_GATEWAY_SAMPLE_EVERY", process.longer_than_zero, "15s")
    """How often the console's charts get a point, of which the last 720 are kept in memory: three hours at `15s`."""
    log_level: str = setting("ASYA_LOG_LEVEL", process.log_level, "INFO")
    """DEBUG, INFO, WARN, WARNING or ERROR."""

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """Certificate chain and private key; ``None`` serves HTTP."""
        return None if self.tls_certificate is None or self.tls_key is None else (self.tls_certificate, self.tls_key)


def read_settings(environ: Mapping[str, str]) -> GatewaySettings:
    """Read the settings; an empty value equals unset.

    Raises:
        SettingsError: A value cannot be used, or nothing says who may call; names the variable.
    """
    env = {key: value for key, value in environ.items() if value != ""}
    settings = process.read(
        GatewaySettings,
        {"ASYA_GATEWAY_ACTORS": default_source(env), **env},
        transport=read_transport_settings(_with_transport(env)),
        door=_read_door(env),
        store=read_store_settings(env),
        prefixes=process.read(Prefixes, environ),
        traces=read_trace_settings(env),
        callbacks=process.read(CallbackSettings, env),
    )
    _check_tls(settings)
    if 0 < (settings.kept_s or 0) < settings.history_s:
        raise SettingsError(
            "ASYA_GATEWAY_RETENTION", f"must not be shorter than ASYA_GATEWAY_HISTORY ({settings.history_s:g}s)"
        )
    return replace(
        settings,
        body_bytes_in_flight=max(settings.body_bytes_in_flight, 2 * settings.max_body_bytes),
        burst=settings.burst or max(1, int(2 * settings.rate)),
        database_min_connections=min(settings.database_min_connections, settings.database_max_connections),
    )


def _with_transport(env: Mapping[str, str]) -> dict[str, str]:
    """Choose as Asya 0.1.1 does where nothing is said, and take its name for the region."""
    transport = "rabbitmq" if "ASYA_RABBITMQ_URL" in env and "ASYA_SQS_ENDPOINT" not in env else "sqs"
    defaults = {"ASYA_TRANSPORT": transport}
    if "ASYA_SQS_REGION" in env:
        defaults["ASYA_AWS_REGION"] = env["ASYA_SQS_REGION"]
    return {**defaults, **env}


def _check_tls(settings: GatewaySettings) -> None:
    paths = {"ASYA_GATEWAY_TLS_CERT": settings.tls_certificate, "ASYA_GATEWAY_TLS_KEY": settings.tls_key}
    given = [variable for variable, path in paths.items() if path is not None]
    for variable, path in paths.items() if given else ():
        if path is None:
            raise SettingsError(variable, f"is needed beside {given[0]}")
        if not path.is_file():
            raise SettingsError(variable, f"there is no file {path}")


def _read_provider(env: Mapping[str, str]) -> Verifier | None:
    given = sorted(variable for variable in env if variable.startswith(_OIDC))
    if not given:
        return None
    for variable in (f"{_OIDC}ISSUER", f"{_OIDC}AUDIENCE"):
        if variable not in given:
            raise SettingsError(variable, f"is needed beside {given[0]}")
    return Verifier(process.read(Provider, env))


def _read_door(env: Mapping[str, str]) -> Door:
    access, provider = process.read(AccessSettings, env), _read_provider(env)
    given = access.tokens is not None or access.file is not None or provider is not None
    if access.auth == "off":
        if given:
            raise SettingsError("ASYA_GATEWAY_AUTH", "is off, but tokens are given too; remove one of them")
        return Door(None)
    callers = access.tokens or {}
    if not callers and not (access.file and access.file.callers) and provider is None:
        raise SettingsError(
            "ASYA_GATEWAY_TOKENS", "names no token; give at least one, or set ASYA_GATEWAY_AUTH=off to let everyone in"
        )
    return Door(callers, provider, access.file)
