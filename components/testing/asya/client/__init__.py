"""Sends work to a mesh from a script, a notebook or a service, and waits for what comes of it.

    from asya.client import Mesh

    with Mesh() as mesh:
        print(mesh.call(["greet", "shout"], {"name": "Ada"}))

``Mesh`` is for code without an event loop (a notebook's own does not matter), ``AsyncMesh`` the same for code with one.
"""

from asya.client.async_mesh import AsyncMesh
from asya.client.errors import EnvelopeFailed, MeshAway, NotOffered, NotSent
from asya.client.mesh import Mesh
from asya.client.sent import Event, Sent

__all__ = ["AsyncMesh", "EnvelopeFailed", "Event", "Mesh", "MeshAway", "NotOffered", "NotSent", "Sent"]
