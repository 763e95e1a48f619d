"""Large payloads: left in a folder of the pipeline's own, as a mesh leaves them in its object store.

So a test passes on a broker with small messages (SQS: 256 KiB) as it does on the others.
"""

import asyncio
from pathlib import Path

from asya_protocol.claim import check_out, read_claim
from asya_protocol.envelope import parse_envelope
from asya_protocol.errors import EnvelopeError
from asya_store.claims import ClaimCheck
from asya_store.folder import FolderStore


def open_desk(folder: Path) -> ClaimCheck:
    """Make the place where they are left; it goes with the folder."""
    return ClaimCheck(FolderStore(folder))


async def make_small(desk: ClaimCheck, body: bytes) -> bytes:
    """Leave an envelope's payload there if it is large; returns what to send."""
    return body if len(body) <= desk.over_bytes else await asyncio.to_thread(desk.leave, body)


async def make_whole(desk: ClaimCheck, body: bytes) -> bytes:
    """Put the payload back that an envelope left; bytes that are no envelope stay as they are.

    Raises:
        ClaimLost: It is not there any more.
    """
    try:
        claim = read_claim((envelope := parse_envelope(body)).headers, envelope.id)
    except EnvelopeError:
        return body
    return body if claim is None else check_out(body, await asyncio.to_thread(desk.fetch, claim))
