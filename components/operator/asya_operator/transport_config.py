"""The transports that the operator knows: JSON of ``ASYA_TRANSPORT_CONFIG`` as checked values. Pure.

Shape: ``{"transports": {"<name>": {"type": "rabbitmq"|"sqs", "enabled": bool, "config": {...}}}}``. As Asya 0.1.1 reads it,
an unknown field at any level is an error that names it, and null counts as absent. A name need not be its type. Our
additions: ``namespaces`` beside ``type``, those whose actors may name it; ``usernameSecretRef``, ``operator``, ``scaler``,
``vhost``, ``tls``, ``managementPort`` and ``managementUrl`` of rabbitmq, ``kmsKeyId`` and ``tlsOnly`` of sqs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, Self, TypeVar
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from asya_manifest.errors import ManifestError, Problem
from asya_manifest.problems import RuleBroken, explain, without_nulls

T = TypeVar("T", bound=BaseModel)

AMQP_PORT: Final = 5672
MANAGEMENT_PORT: Final = 15672
STAND_IN_ACCOUNT: Final = "000000000000"
"""Account of every queue in LocalStack and the like."""


class InvalidTransportConfig(ManifestError):
    """The configuration of transports cannot be read; the message names the field."""


class TransportRefused(ManifestError):
    """An actor names a transport that it cannot have."""


class ConfigPart(BaseModel):
    """A piece of the configuration: camelCase names, unknown fields refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, strict=True)


def _or(default: object) -> AfterValidator:
    """Go's zero value stands for the default, as in Asya 0.1.1."""
    return AfterValidator(lambda value: value or default)


class SecretRef(ConfigPart):
    """One key of a Secret, in the actor's namespace or the operator's."""

    name: str = Field(min_length=1)
    key: str = Field(min_length=1)
    optional: bool | None = None


class DeadLetters(ConfigPart):
    """What is configured about dead letter queues."""

    enabled: bool = False
    max_retry_count: Annotated[int, _or(3)] = Field(default=3, ge=0)
    """Deliveries before an envelope is dead; 0 stands for 3."""
    retention_days: Annotated[int, _or(14)] = Field(default=14, ge=0)
    """Days for which a dead letter is kept, on SQS; 0 stands for 14."""


class QueueManagement(ConfigPart):
    """Whether and how the operator makes queues.

    Without a ``queues`` object ``autoCreate`` is true; an object that does not mention it turns it off.
    """

    auto_create: bool = False
    force_recreate: bool = False
    dlq: DeadLetters = Field(default_factory=DeadLetters)


class SignIn(ConfigPart):
    """A user of the broker other than the one that actors have."""

    username: str = Field(min_length=1)
    password_secret_ref: SecretRef


class RabbitMqConfig(ConfigPart):
    """How RabbitMQ is reached; empty text and 0 stand for the defaults."""

    host: str = ""
    port: Annotated[int, _or(AMQP_PORT)] = Field(default=AMQP_PORT, ge=0, le=65535)
    username: Annotated[str, _or("guest")] = "guest"
    username_secret_ref: SecretRef | None = None
    """In place of ``username``."""
    password_secret_ref: SecretRef | None = None
    operator: SignIn | None = None
    """Who the operator is, in place of the user that actors have; its secret is looked for beside the operator alone."""
    scaler: SignIn | None = None
    """Who KEDA is, which only reads counts (RabbitMQ's tag ``monitoring``); its secret lies beside the actors."""
    exchange: str = ""
    vhost: Annotated[str, _or("/")] = "/"
    tls: bool = False
    """Whether the broker and its management API are reached by TLS."""
    management_port: Annotated[int, _or(MANAGEMENT_PORT)] = Field(default=MANAGEMENT_PORT, ge=0, le=65535)
    management_url: str = Field(default="", pattern="^(https?://.*)?$")
    """In place of one made of host and ``managementPort``."""
    queues: QueueManagement = Field(default_factory=lambda: QueueManagement(auto_create=True))

    @model_validator(mode="after")
    def _check_sign_in(self) -> Self:
        if self.username_secret_ref is not None and "username" in self.model_fields_set:
            raise RuleBroken(Problem("usernameSecretRef", "username is given too; set one of them"))
        if self.username_secret_ref is not None and self.password_secret_ref is None:
            raise RuleBroken(Problem("usernameSecretRef", "passwordSecretRef is missing"))
        return self

    @property
    def management(self) -> str:
        """URL of the management API, without credentials and without a slash at its end."""
        built = f"{'https' if self.tls else 'http'}://{self.host}:{self.management_port}"
        return self.management_url.rstrip("/") or built

    @property
    def scaler_host(self) -> str:
        """URL of the management API as KEDA's scaler reads it: the virtual host, escaped, is the last part of its path.

        Where no secret is configured it carries the password that the sidecar takes then, RabbitMQ's well-known one.
        """
        url = f"{self.management}/{quote(self.vhost, safe='')}"
        if self.scaler is not None or self.password_secret_ref is not None:
            return url
        scheme, _, rest = url.partition("://")
        return f"{scheme}://{quote(self.username, safe='')}:guest@{rest}"


class AwsCredentials(ConfigPart):
    """Static credentials, from secrets."""

    access_key_id_secret_ref: SecretRef
    secret_access_key_secret_ref: SecretRef


class SqsConfig(ConfigPart):
    """How SQS is reached."""

    region: str = ""
    actor_role_arn: str = ""
    """IAM role that actors assume by their service account (IRSA)."""
    account_id: str = ""
    dns_suffix: str = "amazonaws.com"
    """Of the region's partition: ``amazonaws.com.cn`` in China, ``amazonaws.eu`` in the EU sovereign cloud."""
    endpoint: str = ""
    """A stand-in for AWS, such as LocalStack."""
    visibility_timeout: int = Field(default=0, ge=0, le=43_200)
    """Seconds; 0 leaves it to the sidecar."""
    wait_time_seconds: int = Field(default=0, ge=0, le=20)
    credentials: AwsCredentials | None = None
    queues: QueueManagement = Field(default_factory=lambda: QueueManagement(auto_create=True))
    tags: Mapping[str, str] = Field(default_factory=dict)
    kms_key_id: str = ""
    """Key, id or ARN, with which queues are encrypted; empty leaves it to SQS's own."""
    tls_only: bool = False
    """Whether queues refuse connections without TLS."""

    def queue_url(self, queue: str) -> str:
        """URL of a queue, made as AWS makes it, without a question to anybody.

        Raises:
            TransportRefused: The configuration does not say whose queue it is, or where.
        """
        if self.endpoint:
            return f"{self.endpoint.rstrip('/')}/{self.account_id or STAND_IN_ACCOUNT}/{queue}"
        if not self.region or not self.account_id:
            raise TransportRefused("scaling by an SQS queue needs region and accountId in operator configuration")
        return f"https://sqs.{self.region}.{self.dns_suffix}/{self.account_id}/{queue}"


TransportType = Literal["rabbitmq", "sqs"]
_CONFIGS: Final[Mapping[str, type[RabbitMqConfig] | type[SqsConfig]]] = {"rabbitmq": RabbitMqConfig, "sqs": SqsConfig}


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """One transport."""

    name: str
    """As actors spell it in ``spec.transport``."""
    type: TransportType
    config: RabbitMqConfig | SqsConfig
    enabled: bool = True
    namespaces: tuple[str, ...] = ()
    """Whose actors may name it; none are all."""

    @property
    def place(self) -> str:
        """Where its queues are: of two transports that lead to one broker or account, the same."""
        config = self.config
        if isinstance(config, RabbitMqConfig):
            return f"rabbitmq {config.host.lower()}:{config.port} {config.vhost}"
        return f"sqs {config.endpoint.rstrip('/') or config.region} {config.account_id}"

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """By which the operator signs in: password and user name; or the access key's id and its secret, in this order."""
        if isinstance(self.config, RabbitMqConfig):
            if self.config.operator is not None:
                return (self.config.operator.password_secret_ref,)
            refs = (self.config.password_secret_ref, self.config.username_secret_ref)
            return tuple(ref for ref in refs if ref is not None)
        given = self.config.credentials
        return (given.access_key_id_secret_ref, given.secret_access_key_secret_ref) if given else ()

    @property
    def operator_signs_in_as_itself(self) -> bool:
        """Whether the operator's credentials are none of the actors'."""
        return isinstance(self.config, RabbitMqConfig) and self.config.operator is not None


@dataclass(frozen=True, slots=True)
class Transports:
    """All transports by name, disabled ones too."""

    by_name: Mapping[str, TransportConfig] = field(default_factory=dict)

    def get(self, name: str, namespace: str | None = None) -> TransportConfig:
        """Look one up, for an actor of a namespace or for nobody in particular.

        Raises:
            TransportRefused: There is none of this name, it is disabled, it is for others, or it does not say where the
                broker is.
        """
        found = self.by_name.get(name)
        if found is None:
            raise TransportRefused(f"transport '{name}' not found in operator configuration")
        if not found.enabled:
            raise TransportRefused(f"transport '{name}' is disabled in operator configuration")
        if namespace is not None and found.namespaces and namespace not in found.namespaces:
            raise TransportRefused(f"transport '{name}' is not for namespace {namespace} in operator configuration")
        if isinstance(found.config, RabbitMqConfig) and not found.config.host:
            raise TransportRefused(f"transport '{name}' has no host in operator configuration")
        return found


class _Document(ConfigPart):
    transports: Mapping[str, Any] = Field(default_factory=dict)


class _Entry(ConfigPart):
    type: str
    enabled: bool = False
    namespaces: list[str] = Field(default_factory=list)
    config: Mapping[str, Any] = Field(default_factory=dict)


def parse_transports(text: str) -> Transports:
    """Read the configuration.

    Args:
        text: JSON; empty knows no transport.

    Raises:
        InvalidTransportConfig: It is no JSON, or breaks a rule; every problem is listed with its path.
    """
    if not text.strip():
        return Transports()
    try:
        document = without_nulls(json.loads(text))
    except json.JSONDecodeError as exc:
        raise InvalidTransportConfig(f"not JSON: {exc}") from None
    top = _check(_Document, document, "")
    return Transports({name: _transport(name, entry) for name, entry in top.transports.items()})


def _transport(name: str, raw: object) -> TransportConfig:
    where = f"transports.{name}"
    entry = _check(_Entry, raw, where)
    model = _CONFIGS.get(entry.type)
    if model is None:
        raise InvalidTransportConfig(f"{where}: unsupported transport type: {entry.type}")
    kind: TransportType = "rabbitmq" if model is RabbitMqConfig else "sqs"
    config = _check(model, entry.config, f"{where}.config")
    return TransportConfig(name, kind, config, entry.enabled, tuple(entry.namespaces))


def _check(model: type[T], raw: object, where: str) -> T:
    try:
        return model.model_validate(raw)
    except ValidationError as exc:
        texts = (str(problem) for problem in explain(model, exc))
        raise InvalidTransportConfig("; ".join(f"{where}.{text}" if where else text for text in texts)) from None
