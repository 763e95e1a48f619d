"""The queues behind actors: creates, corrects and measures them, and deletes them only when nothing is lost.

One queue admin per transport and credentials, shared by all actors. Credentials come from the secrets that the transport's
configuration names, searched in the operator's own namespace first, then in the actor's.
"""

import base64
import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from asya_kube.api import ApiError, ApiUnavailable, KubeApi
from asya_kube.resources import SECRET
from asya_manifest.actor import AsyncActor
from asya_operator.transport_config import RabbitMqConfig, SecretRef, SqsConfig, TransportConfig
from asya_protocol.errors import QueueMissing, TransportError, TransportUnavailable
from asya_protocol.names import QueueNames
from asya_transport.factory import open_admin
from asya_transport.port import Depth, QueueAdmin, QueueSpec
from asya_transport.settings import TransportSettings, read_transport_settings

log: Final = logging.getLogger(__name__)

BROKER_DELIVERIES_FACTOR: Final = 4
"""The broker's own limit stands well behind the sidecar's: it counts every receive, drains too."""
FEWEST_BROKER_DELIVERIES: Final = 20
ENSURED_S: Final = 3600.0
"""How long a queue that was made as it should be is taken to be so, unless the poller finds it missing: what somebody
changed of its attributes by hand is put right so much later at most."""
SECRET_S: Final = 30.0
"""How long the value of a secret is kept: a rotated one is used so much later at most."""
ADMIN_IDLE_S: Final = 600.0
"""A connection that nobody asked for so long is closed when the next one is opened: whoever changes a secret again and again
would otherwise have each of its values keep one."""
_DAY_S: Final = 86400.0


class QueueNotManaged(TransportError):
    """The queue is missing, and the configuration does not let the operator make queues."""


class CredentialsMissing(TransportUnavailable):
    """A secret that the transport's configuration names is not there (yet)."""


@dataclass(frozen=True, slots=True)
class _AdminKey:
    transport: str
    credentials: tuple[str, ...]


class Queues:
    """The queues of all actors.

    Args:
        api: Where secrets are read.
        namespace: The operator's own.
        manage: Whether queues are made and deleted here at all.
    """

    def __init__(self, api: KubeApi, namespace: str, names: QueueNames, *, manage: bool) -> None:
        self._api = api
        self._namespace = namespace
        self.names = names
        self._manage = manage
        self._admins: dict[_AdminKey, QueueAdmin] = {}
        self._asked_s: dict[_AdminKey, float] = {}
        self._closed_requests: Counter[str] = Counter()
        self._ensured: dict[tuple[str, str], tuple[QueueSpec, float]] = {}
        self._secrets: dict[tuple[SecretRef, str], tuple[str, float]] = {}

    async def ensure(self, actor: AsyncActor, transport: TransportConfig, namespace: str) -> None:
        """Make the actor's queue and dead letter queue be as they should be; content stays.

        A queue that was ensured lately is not checked again: most reconciles of an actor are not about its queue.

        Raises:
            QueueNotManaged: It is missing, and is not to be made here.
            TransportError: The broker refused.
            TransportUnavailable: The broker, or a secret that leads to it, is away.
        """
        queue = self.names.queue(actor.name)
        key, wanted, now_s = (transport.name, queue), queue_spec(actor, transport), time.monotonic()
        before = self._ensured.get(key)
        if before is not None and before[0] == wanted and now_s - before[1] < ENSURED_S:
            return
        admin = await self._admin(transport, namespace)
        if self.manages(transport):
            await admin.create(queue, wanted)
        else:
            try:
                await admin.measure(queue)
            except QueueMissing:
                raise QueueNotManaged(
                    f"queue {queue} does not exist (autoCreate disabled): queues must be created externally in "
                    "manual mode"
                ) from None
        self._ensured[key] = (wanted, now_s)

    def manages(self, transport: TransportConfig) -> bool:
        """Whether the queues of a transport are made and deleted here."""
        return self._manage and transport.config.queues.auto_create

    def is_ensured(self, transport: TransportConfig, queue: str) -> bool:
        """Whether a reconcile ensured this queue and nothing has invalidated that since."""
        return (transport.name, queue) in self._ensured

    def invalidate(self, transport: TransportConfig, queue: str | None = None) -> None:
        """Have a queue ensured again at the next reconcile, or all queues of a transport: something is known to be wrong."""
        for key in [key for key in self._ensured if key[0] == transport.name and queue in (None, key[1])]:
            del self._ensured[key]

    async def measure(self, queue: str, transport: TransportConfig, namespace: str) -> Depth:
        """Count a queue's envelopes.

        Raises:
            QueueMissing: It does not exist.
            TransportError: The broker refused or is away.
        """
        return await (await self._admin(transport, namespace)).measure(queue)

    async def existing(self, transport: TransportConfig, namespace: str) -> dict[str, Depth | None]:
        """List the queues of all actors in few requests, with the depth of each where the broker includes it.

        Raises:
            TransportError: The broker cannot list, refused, or is away.
        """
        return await (await self._admin(transport, namespace)).list_queues(self.names.prefix)

    def requests(self) -> Mapping[str, int]:
        """Requests to brokers that bill them, by call."""
        return sum((Counter(admin.requests) for admin in self._admins.values()), self._closed_requests)

    def versions(self) -> list[str]:
        """Versions of the brokers that were reached and that have one."""
        return [admin.version for admin in self._admins.values() if admin.version]

    def alarms(self) -> dict[str, tuple[str, ...]]:
        """What keeps brokers from taking envelopes, by transport, as far as they told."""
        return {key.transport: admin.alarms for key, admin in self._admins.items() if admin.alarms}

    async def delete(self, queue: str, transport: TransportConfig, namespace: str, *, force: bool) -> bool:
        """Delete a queue and its dead letter queue; whether they are gone.

        Without ``force`` one that holds anything stays. Nothing is deleted where queues are not managed.
        """
        if not self.manages(transport):
            return False
        self.invalidate(transport, queue)
        return await (await self._admin(transport, namespace)).delete(queue, force=force)

    async def close(self) -> None:
        """Disconnect from every broker."""
        for admin in self._admins.values():
            await admin.close()
        self._admins.clear()

    async def _admin(self, transport: TransportConfig, namespace: str) -> QueueAdmin:
        # Its own credentials come from no namespace in which others can write.
        where = self._namespace if transport.operator_signs_in_as_itself else namespace
        credentials = [await self._secret(ref, where) for ref in transport.secrets]
        key = _AdminKey(transport.name, tuple(credentials))
        now_s = time.monotonic()
        self._asked_s[key] = now_s
        if key not in self._admins:
            self._admins[key] = open_admin(replace(admin_settings(transport, credentials), queue_names=self.names))
            await self._close_idle(now_s)
        return self._admins[key]

    async def _close_idle(self, now_s: float) -> None:
        idle = [key for key, asked_s in self._asked_s.items() if now_s - asked_s >= ADMIN_IDLE_S]
        closing = [self._admins.pop(key) for key in idle]
        for key in idle:
            del self._asked_s[key]
        for admin in closing:
            self._closed_requests += Counter(admin.requests)
            await admin.close()

    async def _secret(self, ref: SecretRef, namespace: str) -> str:
        """Read one key of a secret; kept for some seconds, because every count of a queue asks for it."""
        kept = self._secrets.get((ref, namespace))
        if kept is not None and time.monotonic() - kept[1] < SECRET_S:
            return kept[0]
        value = await self._read_secret(ref, namespace)
        self._secrets[ref, namespace] = (value, time.monotonic())
        return value

    async def _read_secret(self, ref: SecretRef, namespace: str) -> str:
        refused = ""
        for where in dict.fromkeys((self._namespace, namespace)):
            try:
                found = await self._api.get(SECRET, where, ref.name)
            except ApiUnavailable as exc:
                raise TransportUnavailable(f"secret {where}/{ref.name} cannot be read: {exc}") from exc
            except ApiError as exc:
                # An operator of some namespaces may have no right in its own.
                refused += f"; {where} cannot be read: {exc}"
                continue
            if found is not None and ref.key in (found.get("data") or {}):
                return base64.b64decode(found["data"][ref.key]).decode()
        places = f"in neither namespace {self._namespace} nor {namespace}"
        if namespace == self._namespace:
            places = f"not in namespace {namespace}"
        raise CredentialsMissing(f"secret {ref.name!r} with key {ref.key!r} is {places}{refused}")


def queue_spec(actor: AsyncActor, transport: TransportConfig) -> QueueSpec:
    """How an actor's queue should be. Pure."""
    config = transport.config
    retention_s = (config.queues.dlq.retention_days or 14) * _DAY_S
    lease_s = float(config.visibility_timeout or 60) if isinstance(config, SqsConfig) else 60.0
    return QueueSpec(
        max_deliveries=max(FEWEST_BROKER_DELIVERIES, BROKER_DELIVERIES_FACTOR * actor.spec.delivery.max_deliveries),
        lease_s=lease_s,
        dlq_retention_s=retention_s,
        encryption_key=config.kms_key_id if isinstance(config, SqsConfig) else "",
        tls_only=isinstance(config, SqsConfig) and config.tls_only,
    )


def admin_settings(transport: TransportConfig, credentials: list[str]) -> TransportSettings:
    """Settings of the operator's own connection to a broker. Pure.

    Args:
        transport: As configured.
        credentials: Values of ``transport.secrets``, in that order.

    Raises:
        AsyaError: The configuration cannot be used.
    """
    config = transport.config
    env: dict[str, str] = {"ASYA_TRANSPORT": transport.type}
    if isinstance(config, RabbitMqConfig):
        values = dict(zip(transport.secrets, credentials, strict=True))
        own = config.operator
        password_ref = own.password_secret_ref if own else config.password_secret_ref
        password = values[password_ref] if password_ref else "guest"
        username_ref = None if own else config.username_secret_ref
        username = values[username_ref] if username_ref else (own or config).username
        user = f"{quote(username, safe='')}:{quote(password, safe='')}"
        address = f"{config.host}:{config.port}/{quote(config.vhost, safe='')}"
        env |= {
            "ASYA_RABBITMQ_URL": f"{'amqps' if config.tls else 'amqp'}://{user}@{address}",
            "ASYA_RABBITMQ_EXCHANGE": config.exchange,
            "ASYA_RABBITMQ_MANAGEMENT_URL": config.management,
        }
        return read_transport_settings(env)
    env |= {"ASYA_AWS_REGION": config.region, "ASYA_SQS_ENDPOINT": config.endpoint}
    pair = (credentials[0], credentials[1]) if len(credentials) == 2 else None
    return replace(read_transport_settings(env), aws_credentials=pair)
