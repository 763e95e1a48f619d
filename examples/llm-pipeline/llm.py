"""Two steps of a pipeline around one model. The model is a stand-in: as slow and as strict as its ``payload`` says."""

import os
import time
from pathlib import Path
from typing import Any


class RateLimited(Exception):
    """What a client of a model raises when the model answers 429; ``retry_after`` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"too many requests, try again in {retry_after:g} s")
        self.retry_after = retry_after


def draft(payload: dict[str, Any]) -> dict[str, Any]:
    """Write a first text."""
    text, used = ask(f"Write about {payload['about']}", payload)
    return {**payload, "draft": text, "usage": {"total": used}}


def review(payload: dict[str, Any]) -> dict[str, Any]:
    """Make it shorter."""
    text, used = ask(f"Shorten: {payload['draft']}", payload)
    return {**payload, "text": text, "usage": {"total": used}}


def ask(prompt: str, payload: dict[str, Any]) -> tuple[str, int]:
    """Ask the model; returns its answer and the tokens that it counted.

    Raises:
        RateLimited: It was told to refuse once, and has not yet.
    """
    refuse_once = payload.get("refuseOnce")
    if refuse_once and not Path(refuse_once).exists():
        Path(refuse_once).touch()
        raise RateLimited(2)
    with Path(payload.get("journal", os.devnull)).open("a") as journal:
        journal.write(f"begin {payload['tenant']}\n")
        journal.flush()
        time.sleep(payload.get("seconds", 0.1))
        journal.write(f"end {payload['tenant']}\n")
    return f"{prompt[:40]}.", min(len(prompt), payload["maxTokens"])
