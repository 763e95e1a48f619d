"""Settings of every transport, read from the environment that Asya 0.1.1's sidecar knows; nothing else reads it.

A value that cannot be used is a ``SettingsError`` that names the variable; Asya 0.1.1 fell back in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import quote

from asya_process.settings import choice, is_on, read, setting, starts_with, whole, zero_is_unset
from asya_protocol import names
from asya_protocol.durations import parse_duration

TransportName = Literal["memory", "sqs", "rabbitmq"]
TRANSPORTS: Final[tuple[TransportName, ...]] = ("memory", "sqs", "rabbitmq")
MAX_FRAME_BODY_BYTES: Final = 256 * 1024 * 1024
"""Half of the longest frame, so that a body with its attributes always fits into one."""


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """One process's view of its broker."""

    name: TransportName = setting("ASYA_TRANSPORT", choice(*TRANSPORTS), "rabbitmq")
    """`memory`, `sqs` or `rabbitmq`."""
    rabbitmq_url: str = setting(
        "ASYA_RABBITMQ_URL", starts_with("amqp://", "amqps://"), "amqp://guest:guest@localhost:5672/"
    )
    """The broker, with the virtual host; wins over the parts below."""
    rabbitmq_exchange: str = setting("ASYA_RABBITMQ_EXCHANGE", str, names.DEFAULT_EXCHANGE)
    """Topic exchange that outside producers publish to."""
    rabbitmq_prefetch: int | None = setting("ASYA_RABBITMQ_PREFETCH", whole(1, 65535), None)
    """Unsettled deliveries per consumer; unset lets the sidecar choose."""
    rabbitmq_management_url: str | None = setting("ASYA_RABBITMQ_MANAGEMENT_URL", str, None)
    """Management API, needed to count in-flight envelopes."""
    rabbitmq_max_body_bytes: int | None = setting("ASYA_RABBITMQ_MAX_BODY_BYTES", whole(1024, 536_870_912), None)
    """Largest body, where `max_message_size` of `rabbitmq.conf` was changed; unset is RabbitMQ's own default: 16 MiB since
    4.0, 128 MiB before."""
    sqs_endpoint: str | None = setting("ASYA_SQS_ENDPOINT", str, None)
    """LocalStack or another stand-in; unset is AWS."""
    aws_region: str = setting("ASYA_AWS_REGION", str, "us-east-1")
    """Region; credentials come from the AWS default chain."""
    aws_credentials: tuple[str, str] | None = None
    """Access key and secret key; ``None`` leaves it to the AWS default chain. Given by a process that holds several
    (the operator), never read from a variable."""
    sqs_visibility_timeout_s: float | None = setting(
        "ASYA_SQS_VISIBILITY_TIMEOUT", zero_is_unset(whole(0, 43200)), None
    )  # 12 h is SQS's own limit
    """Seconds: the lease; unset or 0 is 60 s, extended while the work goes on."""
    sqs_wait_time_s: float = setting("ASYA_SQS_WAIT_TIME_SECONDS", zero_is_unset(whole(0, 20)), "20")
    """Long poll, 1 to 20 s; 0 means 20."""
    queue_retry_max_attempts: int = setting("ASYA_QUEUE_RETRY_MAX_ATTEMPTS", whole(1, 10_000), "10")
    """How often a missing queue is looked for before giving up."""
    queue_retry_backoff_s: float = setting("ASYA_QUEUE_RETRY_BACKOFF", parse_duration, "1s")
    """First pause between those, doubled each time, at most 30 s."""
    memory_socket: str | None = setting("ASYA_MEMORY_SOCKET", str, None)
    """Unix socket of a memory broker in another process; unset is a broker in this process."""
    memory_max_body_bytes: int = setting("ASYA_MEMORY_MAX_BODY_BYTES", whole(1, MAX_FRAME_BODY_BYTES), "16777216")
    """Largest body that a memory broker started with these settings takes."""
    sqs_max_body_bytes: int = setting(
        "ASYA_SQS_MAX_BODY_BYTES", whole(1024, 1_048_576), "262144"
    )  # below any real envelope with its dead letter attributes; the limit of AWS itself
    """Largest body with its attributes; AWS itself takes 1,048,576 since 2025."""
    queue_names: names.QueueNames = setting("ASYA_QUEUE_PREFIX", names.QueueNames, names.QUEUE_PREFIX)
    """Begins every queue's name, at most 13 letters, digits, '-' or '_'; the same for all of a mesh, so that two meshes
    can share an account or a virtual host."""
    sqs_linger_s: float = setting("ASYA_SQS_LINGER", parse_duration, "0.005")
    """How long a send or settlement waits for others to share one request with it."""


@dataclass(frozen=True, slots=True)
class RabbitMqAddress:
    """What RabbitMQ's URL is joined from where it is not given; the parts are escaped."""

    host: str = setting("ASYA_RABBITMQ_HOST", str, "localhost")
    """The broker's host."""
    port: int = setting("ASYA_RABBITMQ_PORT", whole(1, 65535), "5672")
    """Its port."""
    username: str = setting("ASYA_RABBITMQ_USERNAME", str, "guest")
    """Who connects."""
    password: str = setting("ASYA_RABBITMQ_PASSWORD", str, "guest", secret=True)
    """Their password."""
    vhost: str = setting("ASYA_RABBITMQ_VHOST", str, "/")
    """Virtual host."""
    tls: bool = setting("ASYA_RABBITMQ_TLS", is_on, "false")
    """Connect by TLS."""

    @property
    def url(self) -> str:
        """The whole of it."""
        user, password, vhost = (quote(part, safe="") for part in (self.username, self.password, self.vhost))
        return f"{'amqps' if self.tls else 'amqp'}://{user}:{password}@{self.host}:{self.port}/{vhost}"


def read_transport_settings(environ: Mapping[str, str]) -> TransportSettings:
    """Read the settings; an empty value equals unset.

    Raises:
        SettingsError: A value cannot be used; names the variable.
    """
    settings = read(TransportSettings, environ)
    if environ.get("ASYA_RABBITMQ_URL"):
        return settings
    return replace(settings, rabbitmq_url=read(RabbitMqAddress, environ).url)
