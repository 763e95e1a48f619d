"""One resource type of a stand-in: what it does when the engine asks, in plain values."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from lab.pulumi_standins.sdk_types import Problem
from lab.pulumi_standins.wire import Properties

C = TypeVar("C")
"""What reaches the service behind a stand-in: its clients."""


@dataclass(slots=True)
class Live:
    """A resource as it is now.

    Attributes:
        inputs: What was declared, or could have been, with the values that the service reports.
        outputs: What the service decided.
    """

    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)


class Kind(Generic[C]):
    """The life of one resource type; a subclass per type.

    Attributes:
        autoname: The input that gets a name of its own when the program gives none.
        force_new: Inputs whose change makes a new resource of it.
        secret_outputs: Outputs that are secrets whatever the inputs are.
    """

    autoname: ClassVar[str | None] = None
    force_new: ClassVar[frozenset[str]] = frozenset()
    secret_outputs: ClassVar[frozenset[str]] = frozenset()

    def check(self, inputs: Properties) -> list[Problem]:
        """What the service refuses beyond names and types."""
        del inputs
        return []

    def create(self, clients: C, inputs: Properties) -> str:
        """Make it; returns its id."""
        raise NotImplementedError

    def read(self, clients: C, identifier: str, state: Properties) -> Live | None:
        """Look at it; ``None`` when it is gone."""
        raise NotImplementedError

    def update(self, clients: C, identifier: str, old: Properties, new: Properties) -> None:
        """Change it in place."""
        raise NotImplementedError

    def delete(self, clients: C, identifier: str, state: Properties) -> None:
        """Remove it."""
        raise NotImplementedError

    def collides(self, old: Properties, new: Properties) -> bool:
        """Whether a replacement must be made after its predecessor went: a name that the program fixed is taken."""
        name = self.autoname
        return name is not None and name not in new.get("__defaults", []) and old.get(name) == new.get(name)


def tag_changes(old: Properties, new: Properties, key: str = "tags") -> tuple[list[str], dict[str, Any]]:
    """Tags to remove, and tags to set."""
    before, after = old.get(key) or {}, new.get(key) or {}
    return sorted(before.keys() - after.keys()), {k: v for k, v in after.items() if before.get(k) != v}
