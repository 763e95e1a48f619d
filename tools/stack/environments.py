"""Chooses the environment that a command means. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from tools.stack.errors import StackError

PROFILES: Final[Mapping[str, str]] = {"sqs-s3": "localstack", "rabbitmq-minio": "oss"}
"""The names of Asya 0.1.1 for the two environments in a cluster that need no cloud."""
_PREFIX, _SUFFIX = "Pulumi.", ".yaml"


def known(files: Iterable[str]) -> list[str]:
    """The environments that a folder has: one per ``Pulumi.NAME.yaml``."""
    return sorted(
        name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        for name in files
        if name.startswith(_PREFIX) and name.endswith(_SUFFIX) and name != "Pulumi.yaml"
    )


def choose(environment: str, profile: str, there: Iterable[str]) -> str:
    """The environment to use.

    Args:
        environment: ENV, or empty.
        profile: PROFILE, or empty.
        there: What ``known`` found.

    Raises:
        StackError: Neither is given, or what is given does not exist.
    """
    names = sorted(there)
    listed = " | ".join(names)
    if profile and profile not in PROFILES:
        raise StackError(f"there is no PROFILE={profile}; there are {' and '.join(PROFILES)} (or ENV={listed})")
    if profile and environment and PROFILES[profile] != environment:
        raise StackError(f"PROFILE={profile} means ENV={PROFILES[profile]}, but ENV={environment} is given; give one")
    chosen = environment or PROFILES.get(profile, "")
    if not chosen:
        raise StackError(f"say which environment: ENV={listed}")
    if chosen not in names:
        raise StackError(f"there is no ENV={chosen}; there are {', '.join(names)} (a file Pulumi.NAME.yaml adds one)")
    return chosen
