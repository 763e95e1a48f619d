"""Remembers what was sent from this machine into a local mesh, so that ``why`` knows of an envelope before any actor does.

A line per send: id, first actor, trace, moment; no payload. The file is kept below a size; what is older is on its way or
has long been settled, and sidecars' logs tell of that.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from asya_local.state import StateFolder

MAX_BYTES: Final = 2 * 1024 * 1024
"""Some 15 000 sends; so many again are kept in the file before it."""


@dataclass(frozen=True, slots=True)
class SendNote:
    """One send.

    Attributes:
        at_s: Seconds since 1970, just before it.
        actor: The first of its route.
        trace_id: Of the trace that began with it.
        until: The moment before which no handler may take it, RFC 3339; empty where there is none.
    """

    at_s: float
    actor: str
    trace_id: str
    until: str = ""


def note_sent(home: Path, envelope_id: str, sent: SendNote) -> None:
    """Remember a send that the broker has confirmed; a folder that cannot be written costs the words alone."""
    path = _file(home)
    line = json.dumps({"id": envelope_id, **asdict(sent)}) + "\n"
    with suppress(OSError):
        if path.exists() and path.stat().st_size > MAX_BYTES:
            path.replace(path.with_suffix(".1"))
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


def find_sent(home: Path, envelope_id: str) -> SendNote | None:
    """The last send of an envelope; ``None`` where it is not remembered, or went with a broker of the mesh that is gone."""
    needle, found = json.dumps(envelope_id).encode(), None
    record = StateFolder(home).read_mesh()
    since_s = record.broker.process.created_s if record is not None and record.broker is not None else 0.0
    for path in (_file(home).with_suffix(".1"), _file(home)):
        with suppress(OSError), path.open("rb") as file:
            for line in file:
                if needle in line:
                    found = _read(line, envelope_id) or found
    return found if found is not None and found.at_s >= since_s else None


def _read(line: bytes, envelope_id: str) -> SendNote | None:
    try:
        entry = json.loads(line)
        if entry.pop("id") != envelope_id:
            return None
        return SendNote(entry["at_s"], entry["actor"], entry["trace_id"], str(entry.get("until", "")))
    except (ValueError, KeyError, TypeError):
        return None  # a line that was cut


def _file(home: Path) -> Path:
    return StateFolder(home).logs / "sent.jsonl"
