"""Spans as trees: which hang together, and which are there."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.servers.otlp import ReceivedSpan


@dataclass(frozen=True, slots=True)
class Tree:
    """The spans of one trace.

    Attributes:
        root_id: The span of whoever sent the envelope first.
        spans: By id.
    """

    root_id: str
    spans: Mapping[str, ReceivedSpan]

    @property
    def orphans(self) -> list[ReceivedSpan]:
        """Spans whose parent is neither the root nor there."""
        return [
            span
            for span in self.spans.values()
            if self.root_id not in (span.span_id, span.parent_id) and span.parent_id not in self.spans
        ]

    def named(self, name: str) -> list[ReceivedSpan]:
        """Spans of a name, in time."""
        return sorted((span for span in self.spans.values() if span.name == name), key=lambda span: span.start_s)

    def hops(self) -> set[str]:
        """Actors at which something was processed."""
        return {str(span.attributes["asya.actor"]) for span in self.spans.values() if span.name.startswith("process ")}


def trees(spans: Iterable[ReceivedSpan], roots: Mapping[str, str]) -> dict[str, Tree]:
    """Sort spans into trees.

    Args:
        spans: As received; one that came twice counts once.
        roots: Id of the root's span by id of the trace; of others nothing is wanted.
    """
    found: dict[str, dict[str, ReceivedSpan]] = defaultdict(dict)
    for span in spans:
        found[span.trace_id][span.span_id] = span
    return {trace_id: Tree(root_id, found[trace_id]) for trace_id, root_id in roots.items()}
