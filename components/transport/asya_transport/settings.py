"""Settings of every transport, read from the environment that Asya 0.1.1's sidecar knows; nothing else reads it.

A value that cannot be used is a ``SettingsError`` that names the variable; Asya 0.1.1 fell back in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from asya_protocol import names
from asya_protocol.durations import parse_duration
from asya_protocol.errors import SettingsError

TransportName = Literal["memory", "sqs", "rabbitmq"]
TRANSPORTS: Final[tuple[TransportName, ...]] = ("memory", "sqs", "rabbitmq")
MAX_FRAME_BODY_BYTES: Final = 256 * 1024 * 1024
"""Half of the longest frame, so that a body with its attributes always fits into one."""


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """One process's view of its broker."""

    name: TransportName = "rabbitmq"
    """`ASYA_TRANSPORT`: memory, sqs or rabbitmq."""
    rabbitmq_url: str = "amqp://guest:guest@localhost:5672/"
    """`ASYA_RABBITMQ_URL`, or joined (escaped) from `_HOST`, `_PORT`, `_USERNAME`, `_PASSWORD`, `_VHOST`, `_TLS`."""
    rabbitmq_exchange: str = names.DEFAULT_EXCHANGE
    """`ASYA_RABBITMQ_EXCHANGE`: topic exchange that outside producers publish to."""
    rabbitmq_prefetch: int | None = None
    """`ASYA_RABBITMQ_PREFETCH`: unsettled deliveries per consumer; unset lets the sidecar choose."""
    rabbitmq_management_url: str | None = None
    """`ASYA_RABBITMQ_MANAGEMENT_URL`: management API, needed to count in-flight envelopes."""
    sqs_endpoint: str | None = None
    """`ASYA_SQS_ENDPOINT`: LocalStack or another stand-in; unset is AWS."""
    aws_region: str = "us-east-1"
    """`ASYA_AWS_REGION`; credentials come from the AWS default chain."""
    aws_credentials: tuple[str, str] | None = None
    """Access key and secret key; ``None`` leaves it to the AWS default chain. Given by a process that holds several
    (the operator), never read from a variable."""
    sqs_visibility_timeout_s: float | None = None
    """`ASYA_SQS_VISIBILITY_TIMEOUT`, seconds: the lease; unset or 0 is 60 s, extended while the work goes on."""
    sqs_wait_time_s: float = 20.0
    """`ASYA_SQS_WAIT_TIME_SECONDS`: long poll, 1 to 20 s; 0 means 20."""
    queue_retry_max_attempts: int = 10
    """`ASYA_QUEUE_RETRY_MAX_ATTEMPTS`: how often a missing queue is looked for before giving up."""
    queue_retry_backoff_s: float = 1.0
    """`ASYA_QUEUE_RETRY_BACKOFF`: first pause between those, doubled each time, at most 30 s."""
    memory_socket: str | None = None
    """`ASYA_MEMORY_SOCKET`: Unix socket of a memory broker in another process; unset is a broker in this process."""
    memory_max_body_bytes: int = 16 * 1024 * 1024
    """`ASYA_MEMORY_MAX_BODY_BYTES`: largest body that a memory broker started with these settings takes."""
    sqs_max_body_bytes: int = 262_144
    """`ASYA_SQS_MAX_BODY_BYTES`: largest body with its attributes; AWS itself takes 1,048,576 since 2025."""
    queue_prefix: str = names.QUEUE_PREFIX
    """`ASYA_QUEUE_PREFIX`: begins every queue's name, at most 13 letters, digits, '-' or '_'; the same for all of a mesh, so
    that two meshes can share an account or a virtual host."""
    sqs_linger_s: float = 0.005
    """`ASYA_SQS_LINGER`: how long a send or settlement waits for others to share one request with it."""


def read_transport_settings(environ: Mapping[str, str]) -> TransportSettings:
    """Read the settings; an empty value equals unset.

    Raises:
        SettingsError: A value cannot be used; names the variable.
    """
    env = {key: value for key, value in environ.items() if value != ""}
    name = env.get("ASYA_TRANSPORT", "rabbitmq").lower()
    if name not in TRANSPORTS:
        raise SettingsError("ASYA_TRANSPORT", f"{name!r} is not one of {', '.join(TRANSPORTS)}")
    return TransportSettings(
        name=name,
        queue_prefix=read_queue_prefix(env),
        rabbitmq_url=_rabbitmq_url(env),
        rabbitmq_exchange=env.get("ASYA_RABBITMQ_EXCHANGE", names.DEFAULT_EXCHANGE),
        rabbitmq_prefetch=read_int(env, "ASYA_RABBITMQ_PREFETCH", None, low=1, high=65535),
        rabbitmq_management_url=env.get("ASYA_RABBITMQ_MANAGEMENT_URL"),
        sqs_endpoint=env.get("ASYA_SQS_ENDPOINT"),
        aws_region=env.get("ASYA_AWS_REGION", "us-east-1"),
        # 43,200 s (12 h) is SQS's own limit for a visibility timeout.
        sqs_visibility_timeout_s=read_int(env, "ASYA_SQS_VISIBILITY_TIMEOUT", None, low=0, high=43200) or None,
        sqs_wait_time_s=read_int(env, "ASYA_SQS_WAIT_TIME_SECONDS", None, low=0, high=20) or 20.0,
        queue_retry_max_attempts=read_int(env, "ASYA_QUEUE_RETRY_MAX_ATTEMPTS", 10, low=1, high=10_000) or 10,
        queue_retry_backoff_s=read_duration(env, "ASYA_QUEUE_RETRY_BACKOFF", 1.0),
        memory_socket=env.get("ASYA_MEMORY_SOCKET"),
        memory_max_body_bytes=read_int(env, "ASYA_MEMORY_MAX_BODY_BYTES", None, low=1, high=MAX_FRAME_BODY_BYTES)
        or 16 * 1024 * 1024,
        # 1,024 B is below any real envelope with its dead letter attributes; 1 MiB is the limit of AWS itself.
        sqs_max_body_bytes=read_int(env, "ASYA_SQS_MAX_BODY_BYTES", None, low=1024, high=1_048_576) or 262_144,
        sqs_linger_s=read_duration(env, "ASYA_SQS_LINGER", 0.005),
    )


def read_queue_prefix(env: Mapping[str, str]) -> str:
    """Read what begins every queue's name; each process applies it at its start (``names.use_queue_prefix``).

    Raises:
        SettingsError: Brokers would not take it.
    """
    prefix = env.get("ASYA_QUEUE_PREFIX") or names.QUEUE_PREFIX
    if not names.QUEUE_PREFIX_PATTERN.fullmatch(prefix):
        raise SettingsError("ASYA_QUEUE_PREFIX", f"{prefix!r} is not 1 to 13 letters, digits, '-' or '_'")
    return prefix


def read_int(env: Mapping[str, str], variable: str, default: int | None, *, low: int, high: int) -> int | None:
    """Read a whole number within bounds.

    Raises:
        SettingsError: It is no number, or outside.
    """
    text = env.get(variable)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        raise SettingsError(variable, f"{text!r} is not a whole number") from None
    if not low <= value <= high:
        raise SettingsError(variable, f"{value} is outside {low} to {high}")
    return value


def read_duration(env: Mapping[str, str], variable: str, default_s: float) -> float:
    """Read a duration, in seconds.

    Raises:
        SettingsError: It is no duration.
    """
    text = env.get(variable)
    if text is None:
        return default_s
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise SettingsError(variable, str(exc)) from None


def _rabbitmq_url(env: Mapping[str, str]) -> str:
    if url := env.get("ASYA_RABBITMQ_URL"):
        if not url.startswith(("amqp://", "amqps://")):
            raise SettingsError("ASYA_RABBITMQ_URL", "must start with amqp:// or amqps://")
        return url
    user = quote(env.get("ASYA_RABBITMQ_USERNAME", "guest"), safe="")
    password = quote(env.get("ASYA_RABBITMQ_PASSWORD", "guest"), safe="")
    host = env.get("ASYA_RABBITMQ_HOST", "localhost")
    port = read_int(env, "ASYA_RABBITMQ_PORT", 5672, low=1, high=65535)
    vhost = quote(env.get("ASYA_RABBITMQ_VHOST", "/"), safe="")
    tls = env.get("ASYA_RABBITMQ_TLS", "").lower() in {"true", "1", "yes", "on"}
    return f"{'amqps' if tls else 'amqp'}://{user}:{password}@{host}:{port}/{vhost}"
