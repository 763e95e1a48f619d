"""The crew of the mesh, as manifests: part of every local mesh unless the user's files define them. Pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from asya_manifest.actor import parse_actor
from asya_manifest.files import DeclaredActor, Origin
from asya_manifest.pod import RUNTIME_CONTAINER
from asya_protocol import names

HANDLERS: Final = {
    names.HAPPY_END: "asya_crew.end_handlers.happy_end_handler",
    names.ERROR_END: "asya_crew.end_handlers.error_end_handler",
    names.FAN_IN: "asya_crew.fan_in_handler.fan_in_handler",
}
MAX_REPLICAS: Final = 4
"""Persisting one envelope takes milliseconds; more processes than this would wait for the same store."""
FAN_IN_BATCH: Final = 32
"""Children kept in the store at the same time."""
BUILT_IN: Final = Origin(Path("built-in crew"), 1)


def crew_actors(transport: str, store: Mapping[str, str]) -> list[DeclaredActor]:
    """Declare happy-end, error-end and fan-in.

    Args:
        transport: The mesh's transport.
        store: Environment that leads to the object store.
    """
    return [DeclaredActor(parse_actor(_manifest(name, transport, store)), BUILT_IN) for name in HANDLERS]


def _manifest(name: str, transport: str, store: Mapping[str, str]) -> dict[str, object]:
    env = {
        "ASYA_HANDLER": HANDLERS[name],
        "ASYA_HANDLER_MODE": "envelope",
        "ASYA_ENABLE_VALIDATION": "false",
        **store,
    }
    container = {"name": RUNTIME_CONTAINER, "env": [{"name": key, "value": value} for key, value in env.items()]}
    # One collector sees every child of a group: it need not ask the store what others have seen.
    collector = {"batch": {"size": FAN_IN_BATCH, "waitMs": 10}} if name == names.FAN_IN else {}
    return {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": name},
        "spec": {
            **collector,
            "transport": transport,
            "timeout": {"processing": 60, "gracefulShutdown": 15},
            "scaling": {
                "enabled": True,
                "maxReplicas": 1 if name == names.FAN_IN else MAX_REPLICAS,
                "pollingInterval": 1,
                "cooldownPeriod": 10,
                "queueLength": 50,
            },
            # A store that is away for a while must cost no result: about an hour of tries.
            "retry": {"maxAttempts": 20, "nonRetryable": ["ValueError"] if name == names.FAN_IN else []},
            "workload": {"template": {"spec": {"containers": [container]}}},
        },
    }
