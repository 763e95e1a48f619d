"""What goes wrong between a client and its mesh.

ClientError
├── EnvelopeFailed   it ran, and failed
├── MeshAway         no mesh or gateway is there, or it cannot be reached
├── NotSent          the mesh refuses it
│   └── NoSuchTool   it has no tool of that name
└── NotOffered       this mesh has no such way
"""

from collections.abc import Mapping
from typing import Any

from asya_protocol.failure import failure_words


class ClientError(Exception):
    """Whatever goes wrong here; a wait that takes too long is Python's own ``TimeoutError``."""


class MeshAway(ClientError):
    """No mesh or gateway is there, or it cannot be reached."""


class NotSent(ClientError):
    """The mesh refuses it: no such actor or tool, or arguments that do not fit."""


class NoSuchTool(NotSent):
    """The gateway has no tool of that name; the text has the nearest."""


class NotOffered(ClientError):
    """A gateway alone starts tools, and a mesh without a gateway has routes."""


class EnvelopeFailed(ClientError):
    """An envelope failed.

    Attributes:
        id: Whose.
        code: The sidecar's word, e.g. ``processing_error``, or a sentence.
        details: Of the handler's exception: ``type``, ``message``, ``traceback``; empty where there was none.
    """

    def __init__(self, envelope_id: str, code: str, details: Mapping[str, Any]) -> None:
        super().__init__(f"{envelope_id}: {failure_words(code, details)}")
        self.id = envelope_id
        self.code = code
        self.details = dict(details)
