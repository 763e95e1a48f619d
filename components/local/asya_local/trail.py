"""An envelope's path through a local mesh, from its sidecars' logs, and the handler that runs it now.

Payloads are in neither; ids are.
"""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from asya_local.probe import get
from asya_local.state import StateFolder
from asya_manifest.explanation import StepFacts
from asya_protocol import names

SETTLED: Final = "envelope settled"


@dataclass(frozen=True, slots=True)
class Step(StepFacts):
    """One settlement of the envelope, with what only a sidecar's own log tells of it.

    Attributes:
        sent: How many envelopes came of it; more than one where it was a fan-out.
        group: Id of the group that fan-in is to join it with.
        trace_id: Of the trace that it belongs to.
    """

    sent: int = 0
    group: str = ""
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """A handler is at work on the envelope.

    Attributes:
        actor: Whose.
        attempt: Which attempt it is.
        for_s: Since when, in seconds.
    """

    actor: str
    attempt: int
    for_s: float


def read_trail(home: Path, envelope_id: str) -> list[Step]:
    """Read every settlement of an envelope out of the sidecars' logs, oldest first; logs are kept below a size."""
    needle = json.dumps(envelope_id).encode()
    steps = []
    for path in StateFolder(home).logs.glob("*/*-sidecar.log*"):
        try:
            with path.open("rb") as log:
                steps += [step for line in log if needle in line and (step := _read_step(line, envelope_id))]
        except OSError:
            continue  # it was rotated away this moment
    return sorted(steps, key=lambda step: step.at_s)


def find_running(home: Path, envelope_id: str) -> Running | None:
    """Ask every sidecar of the mesh whether its handler is at work on an envelope."""
    addresses = [
        path.read_text(encoding="utf-8").strip()
        for path in StateFolder(home).run_dir.glob(f"*/{names.SIDECAR_ADDRESS_NAME}")
    ]
    with ThreadPoolExecutor() as threads:
        found = list(threads.map(lambda address: _ask(address, envelope_id), filter(None, addresses)))
    return next((running for running in found if running is not None), None)


def _ask(address: str, envelope_id: str) -> Running | None:
    try:
        document = json.loads(get(address, "/work"))
        for entry in document.get("running", ()):
            if entry["id"] == envelope_id:
                return Running(document["actor"], int(entry["attempt"]), float(entry["for_s"]))
    except (OSError, ValueError, KeyError):
        return None
    return None


def _read_step(line: bytes, envelope_id: str) -> Step | None:
    try:
        entry: dict[str, Any] = json.loads(line)
        if entry.get("message") != SETTLED or entry.get("envelope_id") != envelope_id:
            return None
        # UTC with its Z; without an offset, as earlier versions wrote it, it is this machine's local time.
        at_s = datetime.fromisoformat(entry["time"]).timestamp()
        again_in_s = entry.get("again_in_s")
        return Step(
            at_s=at_s,
            actor=str(entry["actor"]),
            result=str(entry["result"]),
            to=str(entry.get("to", "")),
            cause=str(entry.get("cause", "")),
            attempt=entry.get("attempt") if "delivery" in entry else None,  # it is told of those that failed
            delivery=entry.get("delivery"),
            deliveries=entry.get("deliveries"),
            again_in_s=again_in_s if isinstance(again_in_s, float | int) and math.isfinite(again_in_s) else None,
            until=str(entry.get("until", "")),
            parents=tuple(str(parent) for parent in entry.get("parents", ())),
            sent=int(entry.get("sent", 0)),
            group=str(entry.get("group", "")),
            trace_id=str(entry.get("trace_id", "")),
        )
    except (ValueError, KeyError, TypeError):
        return None
