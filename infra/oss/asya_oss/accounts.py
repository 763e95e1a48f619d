"""Who may do what at the servers in the cluster: one user for each part of the mesh, with a password of its own.

All passwords come from ``asya:password``, which itself goes nowhere: whoever reads one of them learns no other. Pure.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi

from asya_infra.errors import ConfigError
from asya_infra.settings import Settings

EXCHANGE: Final = "asya"
"""To which the operator binds actors' queues; made by it."""
_SALT_BYTES: Final = 4
_DELAYS: Final = "asya_delay_"
"""Begins the names of what delayed sends pass through, made by whoever sends the first of them."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user of RabbitMQ.

    Attributes:
        name: Of the user.
        tags: What it may ask of the management API; empty is nothing.
        configure: What it may make and delete, as a regular expression over names of queues and exchanges.
        use: What it may read and write.
    """

    name: str
    tags: tuple[str, ...]
    configure: str
    use: str


def accounts(queue_prefix: str) -> dict[str, Account]:
    """The broker's users by part of the mesh; none is an administrator, whom ``rabbitmqctl`` in the pod does not need.

    Args:
        queue_prefix: Begins every queue's name.
    """
    queues = f"{queue_prefix.replace('-', '[-]')}.*"
    delays = f"{_DELAYS}.*"
    used = f"^(amq[.]default|{EXCHANGE}|{delays}|{queues})$"
    return {
        "actors": Account("asya", (), f"^{delays}$", used),
        "gateway": Account("asya-gateway", (), f"^{delays}$", used),
        "operator": Account("asya-operator", ("monitoring",), f"^({EXCHANGE}|{delays}|{queues})$", used),
        "scaler": Account("asya-scaler", ("monitoring",), "^$", "^$"),
    }


def password_of(settings: Settings, part: str) -> pulumi.Output[str]:
    """The password of one part of the mesh at one server.

    Args:
        settings: With ``asya:password``.
        part: Tells it from the others, e.g. ``rabbitmq/actors``.

    Raises:
        ConfigError: ``asya:password`` is not set.
    """
    return pulumi.Output.secret(root_password(settings).apply(lambda root: derived(root, part)))


def root_password(settings: Settings) -> pulumi.Output[str]:
    """``asya:password`` itself: of a broker that exists.

    Raises:
        ConfigError: It is not set.
    """
    if settings.password is None:
        raise ConfigError(
            "asya:password", "is not set: pulumi config set --secret asya:password $(openssl rand -hex 24)"
        )
    return settings.password


def derived(root: str, part: str) -> str:
    """48 hexadecimal digits that tell nothing of the root, nor of another part's."""
    return hmac.new(root.encode(), f"asya/{part}".encode(), hashlib.sha256).hexdigest()[:48]


def definitions(users: Sequence[tuple[Account, str]]) -> str:
    """What RabbitMQ reads at every start: users, and what they may do in the one virtual host.

    A user that exists takes the password, the tags and the rights that stand here.
    Source: https://www.rabbitmq.com/docs/definitions, https://www.rabbitmq.com/docs/passwords

    Args:
        users: Each with its password.
    """
    return json.dumps(
        {
            "vhosts": [{"name": "/"}],
            "users": [
                {
                    "name": account.name,
                    "password_hash": _hash(account.name, password),
                    "hashing_algorithm": "rabbit_password_hashing_sha256",
                    "tags": list(account.tags),
                }
                for account, password in users
            ],
            "permissions": [
                {"user": each.name, "vhost": "/", "configure": each.configure, "write": each.use, "read": each.use}
                for each, _ in users
            ],
        },
        indent=1,
    )


def _hash(name: str, password: str) -> str:
    """RabbitMQ's own form; the salt is the user's name's, so that an unchanged password changes no object."""
    salt = hashlib.sha256(name.encode()).digest()[:_SALT_BYTES]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
