"""The users that an installed mesh has at RabbitMQ, made on a test's broker."""

import fcntl
import json
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from asya_oss.accounts import Account, accounts, definitions, derived
from asya_protocol import names
from asya_transport.settings import TransportSettings
from lab.servers.rabbitmq import Address, call_management

ROOT = "root-of-the-tests"
USERS = accounts(names.QUEUE_PREFIX)


def sign_in(server: Address) -> dict[str, Account]:
    """Give a broker the mesh's users, as its definitions do at its start, and name them by part of the mesh."""
    known = definitions([(account, password(part)) for part, account in USERS.items()])
    # RabbitMQ 4 refuses one of two imports at once that both find a user missing ("user_already_exists"), and tests run in two
    # processes; a broker reads its own at its start, alone.
    lock = Path(tempfile.gettempdir()) / f"asya-broker-users-{urlsplit(server.management_url).port}.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        call_management(server.management_url, "POST", "/api/definitions", json.loads(known))
    return USERS


def password(part: str) -> str:
    """Of one part of the mesh."""
    return derived(ROOT, f"rabbitmq/{part}")


def rabbitmq_settings(server: Address, part: str) -> TransportSettings:
    """How one part of the mesh reaches a broker."""
    return TransportSettings(
        name="rabbitmq",
        rabbitmq_url=_as(server.url, part),
        rabbitmq_management_url=_as(server.management_url, part),
    )


def _as(url: str, part: str) -> str:
    parts = urlsplit(url)
    return url.replace(parts.netloc, f"{USERS[part].name}:{password(part)}@{parts.hostname}:{parts.port}", 1)
