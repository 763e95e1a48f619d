"""Handlers of the fault runs: each run leaves a line in a file, so that duplicates can be counted."""

import os
import time
from typing import Any


def process(payload: dict[str, Any]) -> dict[str, Any]:
    """Leave a trace; raise where the payload says that this hop must."""
    hop = os.environ["ASYA_ACTOR_NAME"]
    time.sleep(float(os.environ["WORK_S"]))
    with open(os.environ["RUNS_FILE"], "a", encoding="utf-8") as runs:  # noqa: PTH123 - one short append is atomic
        runs.write(f"{payload['id']} {hop}\n")
    if payload.get("raises_at") == hop:
        raise ValueError(f"envelope {payload['id']} was made to fail at {hop}")
    return {**payload, hop: True}
