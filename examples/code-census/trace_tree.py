"""A collector in this process for ``make demo DEMO_ARGS=--trace``, and one of its traces as a tree."""

import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

sys.path.append(str(Path(__file__).parents[2]))  # the lab is part of the checkout, and not installed

from lab.servers.otlp import OtlpReceiver, ReceivedSpan

MOST_LINES = 100
ALIKE = 2


class Collector:
    """Takes spans while it is entered."""

    def __init__(self) -> None:
        self._receiver = OtlpReceiver()
        self.url = self._receiver.http_url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._receiver.close()

    def tree(self, queue: str) -> str:
        """Draw the trace of an envelope that came through a queue."""
        spans = self._receiver.spans
        wanted = next((span.trace_id for span in spans if span.name == f"process {queue}"), None)
        found = {span.span_id: span for span in spans if span.trace_id == wanted}
        if not found:
            return "no trace came"
        return "\n".join([f"trace {wanted}, {len(found)} spans:", *draw(found)[:MOST_LINES]])


def draw(spans: dict[str, ReceivedSpan]) -> list[str]:
    """Write spans below their parents, in time; one whose parent is not here is at the top.

    Of siblings of one name, such as the children of a fan-out, the first few stand for all.
    """
    below: dict[str, list[ReceivedSpan]] = defaultdict(list)
    for span in sorted(spans.values(), key=lambda span: (span.start_s, -span.end_s)):
        below[span.parent_id if span.parent_id in spans else ""].append(span)
    began_s = min(span.start_s for span in spans.values())
    lines: list[str] = []

    def write(span: ReceivedSpan, indent: str) -> None:
        took_ms, at_ms = (span.end_s - span.start_s) * 1000, (span.start_s - began_s) * 1000
        lines.append(f"  {at_ms:9.1f} ms {took_ms:9.1f} ms  {indent}{span.name}{_about(span.attributes)}")
        write_all(below[span.span_id], f"{indent}   ")

    def write_all(siblings: list[ReceivedSpan], indent: str) -> None:
        count = Counter(span.name for span in siblings)
        seen: Counter[str] = Counter()
        for span in siblings:
            seen[span.name] += 1
            if seen[span.name] <= ALIKE:
                write(span, indent)
            elif seen[span.name] == ALIKE + 1:
                lines.append(f"{'':28}{indent}... {count[span.name] - ALIKE} more: {span.name}")

    write_all(below[""], "")
    return lines


def _about(attributes: dict[str, Any]) -> str:
    told = (
        [attributes.get(name) for name in ("messaging.message.id", "asya.result")]
        if "asya.result" in attributes
        else []
    )
    return f"  ({', '.join(str(word) for word in told)})" if told else ""
