"""The statuses of an actor that need attention; the operator's table has all of them. Pure data."""

from typing import Final

WARNINGS: Final = frozenset(
    {
        "TransportError",
        "ImagePullError",
        "ConfigError",
        "VolumeError",
        "RuntimeError",
        "SidecarError",
        "PendingResources",
        "WorkloadError",
        "ScalingError",
        "Degraded",
        "Unknown",
    }
)
"""Reaching one of them is an Event of type Warning."""
