"""Settings of the local mesh that come from the environment of whoever brings it up; nothing else here reads it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from asya_protocol.errors import SettingsError

REPLICAS_PER_CPU = 2
"""A replica is two processes that wait most of the time; many more than this make a laptop slow for everyone."""


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What the environment says."""

    max_replicas: int
    """`ASYA_LOCAL_MAX_REPLICAS`: upper bound for every actor on this machine; default twice the CPUs."""
    store: Mapping[str, str] = field(default_factory=dict)
    """`ASYA_S3_*` with `AWS_*` credentials, when `ASYA_S3_BUCKET` is set: the object store for --transport rabbitmq;
    otherwise results go to a folder."""


def read_local_settings(environ: Mapping[str, str]) -> LocalSettings:
    """Read the settings; an empty value equals unset.

    Raises:
        SettingsError: A value cannot be used; names the variable.
    """
    text = environ.get("ASYA_LOCAL_MAX_REPLICAS") or str(REPLICAS_PER_CPU * (os.cpu_count() or 1))
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError("ASYA_LOCAL_MAX_REPLICAS", f"{text!r} is not a whole number of at least 1")
    store = {name: value for name, value in environ.items() if name.startswith(("ASYA_S3_", "AWS_")) and value}
    return LocalSettings(int(text), store if "ASYA_S3_BUCKET" in store else {})
