"""What a joined envelope says of the children that are not in it, and where a group that cannot be joined fails. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from asya_protocol import names

CHILDREN_MISSING: Final = "ChildrenMissing"
"""Type of the error of a group that could not be joined."""
_TOLD: Final = 10
LONGEST_PATH: Final = 64
"""Of a child within children, in letters; what is nested deeper is not named."""
_PATH: Final = re.compile(rf"(?=.{{3,{LONGEST_PATH}}}$)[0-9]+(?:\.[0-9]+)+")


def missing_children(headers: Mapping[str, Any]) -> tuple[int, ...]:
    """Indexes of the children without which a group was joined, or failed; empty where it was whole."""
    found = headers.get(names.HEADER_MISSING)
    return tuple(each for each in found if isinstance(each, int)) if isinstance(found, list) else ()


def lacking(headers: Mapping[str, Any]) -> tuple[int | str, ...]:
    """What a joined envelope lacks: indexes of its children, and of children that were joined themselves ``"1.4"``.

    ``1.4`` is the child 4 of the child 1. What reads as neither is left out.
    """
    found = headers.get(names.HEADER_MISSING)
    paths = found if isinstance(found, list) else ()
    return tuple(each for each in paths if is_index(each) or (isinstance(each, str) and _PATH.fullmatch(each)))


def is_index(value: object) -> bool:
    """Whether a value is a place among siblings."""
    return isinstance(value, int) and not isinstance(value, bool)


def inside(index: int, lacks: Iterable[int | str]) -> list[str]:
    """Name what a child lacks as its parent's fan-out has it: ``"1.4"`` for 4 of the child 1."""
    return [path for each in lacks if len(path := f"{index}.{each}") <= LONGEST_PATH]


def without(missing: Iterable[int | str]) -> str:
    """Say what a result lacks, e.g. ``without children 1, 4.0 of its fan-out``; empty where it lacks nothing."""
    places = [str(each) for each in missing]
    more = f" and {len(places) - _TOLD} more" if len(places) > _TOLD else ""
    noun = "child" if len(places) == 1 else "children"
    return f"without {noun} {', '.join(places[:_TOLD])}{more} of its fan-out" if places else ""


def failed_place(actors: Sequence[str], current: int, kind: object) -> int:
    """Place in the route of the actor that failed: of a group that could not be joined fan-in, which stands before it."""
    at_fan_in = kind == CHILDREN_MISSING and 0 < current <= len(actors) and actors[current - 1] == names.FAN_IN
    return current - 1 if at_fan_in else current
