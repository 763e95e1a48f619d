"""Errors of the operator's room; all of them are the manifest author's to mend.

AsyaError
└── ManifestError          a manifest cannot be used
    ├── UnreadableManifest     no such file, not YAML, no Kubernetes object
    └── InvalidActor           an AsyncActor breaks a rule; carries every problem with its path
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from asya_protocol.errors import AsyaError, Fault


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
        super().__init__(f"AsyncActor {name!r}: " + "; ".join(str(problem) for problem in problems))
