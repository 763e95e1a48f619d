"""Settings of traces: OpenTelemetry's own variables, as far as Asya reads them. Nothing here imports OpenTelemetry."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from asya_process.settings import choice, flag, number, read, setting, starts_with, whole

HANDED_ON: Final = ("OTEL_", "ASYA_TRACE_URL")
"""How the names begin that the operator and the local mesh give to every process as they have them."""

Sampler = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Where spans go, and how many. Off until an endpoint is set.

    What else OpenTelemetry's exporters know (`OTEL_EXPORTER_OTLP_HEADERS`, `_CERTIFICATE`, `_COMPRESSION`, `_TIMEOUT`,
    `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME`) they read themselves.
    """

    endpoint: str | None = setting("OTEL_EXPORTER_OTLP_ENDPOINT", starts_with("http://", "https://"), None)
    """A collector, e.g. `http://collector:4318` for HTTP, `http://collector:4317` for gRPC; unset sends no spans."""
    traces_endpoint: str | None = setting(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", starts_with("http://", "https://"), None
    )
    """The same for traces alone, and wins; over HTTP with its path, such as `/v1/traces`."""
    protocol: str = setting(
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        choice("http/protobuf", "grpc"),
        "http/protobuf",
        instead=("OTEL_EXPORTER_OTLP_PROTOCOL",),
    )
    """`http/protobuf` or `grpc`."""
    exporter: str = setting("OTEL_TRACES_EXPORTER", choice("otlp", "none"), "otlp")
    """`otlp`, or `none`, which sends no spans."""
    disabled: bool = setting("OTEL_SDK_DISABLED", flag, "false")
    """`true` sends no spans."""
    sampler: Sampler = setting("OTEL_TRACES_SAMPLER", choice(*get_args(Sampler)), "parentbased_always_on")
    """Which traces are recorded: `always_on`, `always_off`, `traceidratio`, and the same after `parentbased_`, which does
    what the envelope's trace says and asks only where one begins."""
    ratio: float = setting("OTEL_TRACES_SAMPLER_ARG", number(0.0, 1.0), "1")
    """Share of the traces that a `traceidratio` records, 0 to 1."""
    queue_size: int = setting("OTEL_BSP_MAX_QUEUE_SIZE", whole(1, 1_000_000), "2048")
    """Spans that wait at most for the collector; more are lost, and counted."""
    delay_ms: int = setting("OTEL_BSP_SCHEDULE_DELAY", whole(1, 3_600_000), "5000")
    """Milliseconds between two sends."""
    batch_size: int = setting("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", whole(1, 1_000_000), "512")
    """Spans in one request at most."""
    url: str | None = setting("ASYA_TRACE_URL", starts_with("http://", "https://"), None)
    """Where a person sees a trace, with `{trace_id}` in it, e.g. `https://grafana.example/explore?trace={trace_id}`; shown
    by `asya why`, the console and the objects of error-end."""

    @property
    def on(self) -> bool:
        """Whether spans are sent at all."""
        wanted = self.exporter != "none" and not self.disabled and self.sampler != "always_off"
        return wanted and (self.endpoint or self.traces_endpoint) is not None

    @property
    def target(self) -> str:
        """Where to, as the exporters take it; only while ``on``."""
        if self.traces_endpoint is not None:
            return self.traces_endpoint
        assert self.endpoint is not None  # noqa: S101 - says ``on``
        return self.endpoint if self.protocol == "grpc" else f"{self.endpoint.rstrip('/')}/v1/traces"


def read_trace_settings(environ: Mapping[str, str]) -> TraceSettings:
    """Read them.

    Raises:
        SettingsError: A value cannot be used; names the variable.
    """
    return read(TraceSettings, environ)
