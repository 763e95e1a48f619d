"""Sources of actors, chosen by ``ASYA_GATEWAY_ACTORS``.

Without a source the actors are those that have a queue, without status and replicas.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from asya_gateway.actors.port import KUBERNETES, QUEUES, ActorSource, ActorsUnknown
from asya_gateway.actors.view import ActorView, views_of_mesh

MESH: Final = "mesh:"
IN_CLUSTER: Final = "KUBERNETES_SERVICE_HOST"
"""Variable that Kubernetes sets in every pod."""


class QueuesAlone:
    """No source: the actors are those that have a queue."""

    name = QUEUES

    async def actors(self) -> list[ActorView] | None:
        """Return nothing."""
        return None

    async def close(self) -> None:
        """Nothing to close."""


class MeshStatusFile:
    """A local mesh, whose supervisor writes its status to a file every second.

    Args:
        path: The file, ``status.json`` in the mesh's folder.
    """

    name = "mesh"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def actors(self) -> list[ActorView] | None:
        """Read the file."""
        try:
            text = await asyncio.to_thread(self._path.read_text, encoding="utf-8")
            return views_of_mesh(json.loads(text))
        except FileNotFoundError:
            raise ActorsUnknown(f"no mesh is running: there is no {self._path}") from None
        except (OSError, ValueError) as exc:
            raise ActorsUnknown(f"{self._path} cannot be read: {exc}") from exc

    async def close(self) -> None:
        """Nothing to close."""


def check_source(text: str) -> str:
    """Check that a text names a source, and return it.

    Raises:
        ValueError: It does not; the text says what is allowed.
    """
    kind, _, rest = text.partition(":")
    if text != QUEUES and kind != KUBERNETES and not (text.startswith(MESH) and rest):
        raise ValueError("must be queues, kubernetes, kubernetes:NAMESPACE, or mesh:PATH of a local mesh's status.json")
    return text


def default_source(env: Mapping[str, str]) -> str:
    """Return the source to use when none is set."""
    return KUBERNETES if IN_CLUSTER in env else QUEUES


def open_source(text: str) -> ActorSource:
    """Build the source that a text names; it connects when first asked.

    Raises:
        ValueError: It names none.
    """
    check_source(text)
    if text == QUEUES:
        return QueuesAlone()
    if text.startswith(MESH):
        return MeshStatusFile(Path(text.removeprefix(MESH)))
    from asya_gateway.actors.kubernetes import KubernetesActors

    return KubernetesActors(text.partition(":")[2] or None)
