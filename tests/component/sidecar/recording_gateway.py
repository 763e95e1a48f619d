"""Stands where a gateway does, over real HTTP: records what it takes, and answers as a test wants."""

import json
from collections.abc import Callable
from typing import Any

from tests.support.post_server import PostServer

Answer = Callable[[str, dict[str, Any]], tuple[int, Any]]
"""From path and body of a request to status and document."""


def like_the_original(path: str, _body: dict[str, Any]) -> tuple[int, Any]:
    """It has no route for many reports."""
    return (404, {}) if path == "/reports" else (200, {})


class RecordingGateway(PostServer):
    """One gateway; use as a context manager.

    Attributes:
        answer: What it says; may be changed at any time.
        posts: Path and body of each request that it took, which is one that it answered with 2xx.
        refused: Paths of the others.
    """

    def __init__(self, answer: Answer = like_the_original) -> None:
        super().__init__(self._record)
        self.answer = answer
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.refused: list[str] = []

    def _record(self, path: str, body: bytes, _headers: dict[str, str]) -> tuple[int, bytes]:
        document = json.loads(body)
        status, answer = self.answer(path, document)
        if status < 300:
            self.posts.append((path, document))
        else:
            self.refused.append(path)
        return status, json.dumps(answer).encode()
