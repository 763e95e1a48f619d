"""Pieces of a handler's stream from a sidecar to a gateway: the body of ``POST /pieces``, as both ends use it. Pure.

A *run* is one call of a handler. Its pieces are numbered from 0; numbers that are left out were lost, and a piece that comes
twice counts once. Asya 0.1.1 has no pieces.
"""

from typing import Annotated

import msgspec

from asya_protocol.reports import Index

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""Of a piece in its run."""
Word = Annotated[str, msgspec.Meta(max_length=512)]
Name = Annotated[str, msgspec.Meta(pattern="^[0-9A-Za-z]{1,64}$")]


class Run(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One call of a handler that streams.

    Attributes:
        id: The envelope that it is called with.
        run: Its own name, random.
        actor: The actor.
        hop: The actor's place in the route.
        attempt: Which attempt it is, from 1.
        mark: What the gateway gave the envelope to show, from its headers.
    """

    id: Word
    run: Name
    actor: Word = ""
    hop: Index = 0
    attempt: Index = 1
    mark: str | None = None


class PieceBatch(Run, frozen=True, omit_defaults=True, kw_only=True):
    """Pieces of a run that follow one another.

    Attributes:
        first: Number of the first of them, or of the next one where there is none.
        pieces: JSON values, as the handler made them.
        ended: No piece of the run follows.
    """

    first: Number = 0
    pieces: list[msgspec.Raw] = msgspec.field(default_factory=list)
    ended: bool = False


class PiecesBody(msgspec.Struct, frozen=True):
    """Batches of any runs, to be taken in their order; the answer is a ``BatchAnswer``."""

    batches: list[PieceBatch]
