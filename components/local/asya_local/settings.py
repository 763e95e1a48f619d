"""Settings of the local mesh that come from the environment of whoever brings it up; nothing else here reads it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from asya_process.settings import read, setting, whole

REPLICAS_PER_CPU = 2
"""A replica is two processes that wait most of the time; many more than this make a laptop slow for everyone."""


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What the environment of `asya local up` says.

    When `ASYA_S3_BUCKET` is set, `ASYA_S3_*` and the `AWS_*` credentials are the object store for `--transport rabbitmq`;
    otherwise results go to a folder.
    """

    max_replicas: int = setting("ASYA_LOCAL_MAX_REPLICAS", whole(1, 10**6), None)
    """Upper bound for every actor on this machine; unset is twice the CPUs."""
    store: Mapping[str, str] = field(default_factory=dict)


def read_local_settings(environ: Mapping[str, str]) -> LocalSettings:
    """Read the settings; an empty value equals unset.

    Raises:
        SettingsError: A value cannot be used; names the variable.
    """
    env = {name: value for name, value in environ.items() if value}
    store = {name: value for name, value in env.items() if name.startswith(("ASYA_S3_", "AWS_"))}
    return read(
        LocalSettings,
        {"ASYA_LOCAL_MAX_REPLICAS": str(REPLICAS_PER_CPU * (os.cpu_count() or 1)), **env},
        store=store if "ASYA_S3_BUCKET" in store else {},
    )
