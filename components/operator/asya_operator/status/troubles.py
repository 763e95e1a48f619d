"""Kinds of trouble that pods have, and the words that Kubernetes has for them. Pure."""

import enum
import re
from typing import Final


class Trouble(enum.StrEnum):
    """A kind of trouble; its value is the status it shows as. Of several the first in this order is shown: the surer cause."""

    IMAGE = "ImagePullError"
    CONFIG = "ConfigError"
    VOLUME = "VolumeError"
    RUNTIME = "RuntimeError"
    SIDECAR = "SidecarError"
    OTHER = "WorkloadError"
    RESOURCES = "PendingResources"


_IMAGE: Final = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
_STARTING: Final = frozenset({"CrashLoopBackOff", "CreateContainerError", "RunContainerError", "StartError"})
_VOLUME: Final = re.compile(r"MountVolume|VolumeMount|AttachVolume|subPath|unmounted volumes", re.IGNORECASE)
_CONFIG: Final = re.compile(r"\b(configmaps?|secrets?)\b.*\bnot found\b|couldn't find key", re.IGNORECASE)
_CLAIM: Final = re.compile(r"persistentvolumeclaim|persistent volume|volume node affinity", re.IGNORECASE)


def classify_waiting(reason: str, message: str, owner: Trouble) -> Trouble | None:
    """Judge why a container waits.

    Args:
        reason: The kubelet's word, such as ``ImagePullBackOff``.
        message: Its sentence.
        owner: Whom a crash of this container is put down to.

    Returns:
        None for what passes by itself (``ContainerCreating``, ``PodInitializing``).
    """
    if reason in _IMAGE:
        return Trouble.IMAGE
    if reason == "CreateContainerConfigError":
        return classify_text(message) or Trouble.CONFIG
    if reason in _STARTING:
        return owner if reason == "CrashLoopBackOff" else classify_text(message) or owner
    return None


def classify_text(message: str) -> Trouble | None:
    """Judge a sentence about volumes, ConfigMaps and Secrets; ``None`` when it is about something else."""
    if _CONFIG.search(message):
        return Trouble.CONFIG
    return Trouble.VOLUME if _VOLUME.search(message) else None


def classify_scheduling(message: str) -> Trouble:
    """Judge why the scheduler found no node: a volume, or else room."""
    return Trouble.VOLUME if _CLAIM.search(message) and "Insufficient" not in message else Trouble.RESOURCES


def classify_creation(message: str) -> Trouble:
    """Judge why the controller could not make pods: a quota, or else a rule of the cluster."""
    return Trouble.RESOURCES if "exceeded quota" in message else Trouble.OTHER
