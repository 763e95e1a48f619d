"""Errors of the local mesh.

AsyaError
└── MeshError          the mesh cannot be brought up, found or taken down; says the cause and, after it, the cure
"""

from typing import ClassVar

from asya_protocol.errors import AsyaError, Fault


class MeshError(AsyaError):
    """The local mesh cannot do what was asked."""

    fault: ClassVar[Fault] = "user"
