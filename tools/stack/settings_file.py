"""The settings file that the engine gets. Pure.

The engine writes how secrets are encrypted into a stack's settings file. That belongs to one person's passphrase and not
into a file that everybody shares, so the engine works on a file of this checkout's state: the shared settings, and what the
engine wrote earlier. Whoever encrypts secrets into the shared file has decided otherwise, and the shared file then wins.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

ENCRYPTION_KEYS: Final = ("secretsprovider", "encryptedkey", "encryptionsalt")


def credentials(
    preset: str, given: Mapping[str, Any], known: Mapping[str, Any], fresh: Callable[[], str]
) -> dict[str, str]:
    """Credentials of the servers that a stack has in its cluster, where nobody chose any: made once, kept with its state.

    Args:
        preset: Of the stack.
        given: Its settings.
        known: Settings that the engine was given before.
        fresh: Makes one up.
    """
    if preset not in _SERVERS_IN_CLUSTER:
        return {}
    pair = ("asya:accessKey", "asya:secretKey") if preset == "oss" and _store(given) == "seaweedfs" else ()
    wanted = [key for key in ("asya:password", *pair) if key not in given]
    return {key: str(known.get(key) or fresh()) for key in wanted}


_SERVERS_IN_CLUSTER: Final = frozenset({"oss", "localstack"})


def _store(given: Mapping[str, Any]) -> str:
    return str(given.get("asya:store", "seaweedfs"))


def merged(shared: Mapping[str, Any], own: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The file to give to the engine.

    Args:
        shared: ``Pulumi.ENV.yaml`` of the checkout.
        own: The file that the engine was given before; empty the first time.
        extra: Settings of this run, over the shared ones.
    """
    source = shared if any(key in shared for key in ENCRYPTION_KEYS) else own
    encryption = {key: source[key] for key in ENCRYPTION_KEYS if key in source}
    rest = {key: value for key, value in shared.items() if key not in {*ENCRYPTION_KEYS, "config"}}
    return {**encryption, **rest, "config": {**(shared.get("config") or {}), **extra}}
