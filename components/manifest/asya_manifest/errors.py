"""Errors in manifests; the author of the manifest has to correct them.

AsyaError
└── ManifestError          a manifest cannot be used
    ├── UnreadableManifest     no such file, not YAML, no Kubernetes object
    ├── InvalidActor           an AsyncActor breaks a rule; carries every problem with its path
    └── InvalidLimit           a Limit does
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from asya_protocol.errors import AsyaError, Fault

LONGEST_QUOTE: Final = 200
"""Characters of a manifest's own text that a refusal repeats."""


def quoted(value: object) -> str:
    """A value as a refusal shows it: in quotes where it is text, and cut off where it is long."""
    text = repr(value[: LONGEST_QUOTE + 1] if isinstance(value, str) else value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 1]}…"


class ManifestError(AsyaError):
    """A manifest cannot be used as it is."""

    fault: ClassVar[Fault] = "user"


class UnreadableManifest(ManifestError):
    """The text cannot be read as Kubernetes objects; the message names the file and the place."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule.

    Attributes:
        path: Where, e.g. ``spec.scaling.minReplicas``; empty for the object as a whole.
        text: What is wrong, and what would be right.
    """

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


class InvalidActor(ManifestError):
    """An AsyncActor breaks one rule or several."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        self.name = name
        self.problems = tuple(problems)
        super().__init__(f"AsyncActor {quoted(name)}: " + "; ".join(str(problem) for problem in problems))


class InvalidLimit(ManifestError):
    """A Limit breaks one rule or several."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        super().__init__(f"Limit {quoted(name)}: " + "; ".join(str(problem) for problem in problems))
