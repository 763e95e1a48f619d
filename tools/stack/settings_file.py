"""The settings file that the engine gets. Pure.

The engine writes how secrets are encrypted into a stack's settings file. That belongs to one person's passphrase and not
into a file that everybody shares, so the engine works on a file of this checkout's state: the shared settings, and what the
engine wrote earlier. Whoever encrypts secrets into the shared file has decided otherwise, and the shared file then wins.
"""

from collections.abc import Mapping
from typing import Any, Final

ENCRYPTION_KEYS: Final = ("secretsprovider", "encryptedkey", "encryptionsalt")


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
