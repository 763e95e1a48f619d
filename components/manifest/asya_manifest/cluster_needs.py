"""What a cluster must be for a mesh: the oldest versions that do, and known holes. Pure; one table, read in two places.

The chart asya-operator refuses a cluster by ``tools/docs_charts.py``'s template of this table, `asya doctor --cluster` by
``problems``.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Part = Literal["Kubernetes", "KEDA"]

VERSION_LABEL: Final = "app.kubernetes.io/version"
KEDA_DEFINITION: Final = "scaledobjects.keda.sh"
"""The CustomResourceDefinition of ScaledObject; KEDA's manifests and its chart write their version into its label."""
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Need:
    """The oldest version of a part that does.

    Attributes:
        part: Of the cluster.
        oldest: Such as ``1.29.0``.
        why: What older ones lack, as the end of "before ..., ...".
    """

    part: Part
    oldest: str
    why: str


@dataclass(frozen=True, slots=True)
class Hole:
    """A weakness that everybody knows of.

    Attributes:
        part: Of the cluster.
        mended: The first version without it.
        name: As advisories call it.
        what: What it lets whom do, as a sentence without its end.
    """

    part: Part
    mended: str
    name: str
    what: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a part of the cluster.

    Attributes:
        words: What it is.
        cure: What to do.
        grave: Nothing would work; else it may be accepted for a while.
    """

    words: str
    cure: str
    grave: bool


NEEDS: Final = (
    Need("Kubernetes", "1.29.0", "containers cannot start before a pod's own and end after them, as sidecars do"),
    Need("KEDA", "2.13.0", "it takes no user name from a ConfigMap and does not know the identity `aws`"),
)
"""Sources: KEP-753, on by default since 1.29; KEDA's CHANGELOG, 2.13 (#4830, #5178)."""
HOLES: Final = (
    Hole(
        part="KEDA",
        mended="2.21.0",
        name="CVE-2026-77524",
        what="who administers a namespace can get the token of KEDA's operator, and with it the cluster",
    ),
)


def problems(part: Part, version: str) -> tuple[Problem, ...]:
    """What is wrong with a version; nothing where it cannot be read, as of one that somebody built."""
    have = parsed(version)
    if have is None:
        return ()
    old = (
        Problem(
            f"{part} {version} is too old: before {need.oldest} {need.why}", cure(need.part, need.oldest), grave=True
        )
        for need in NEEDS
        if need.part == part and have < _known(need.oldest)
    )
    holes = (
        Problem(
            f"{part} {version} has a known hole, {hole.name}: {hole.what}", cure(hole.part, hole.mended), grave=False
        )
        for hole in HOLES
        if hole.part == part and have < _known(hole.mended)
    )
    return (*old, *holes)


def cure(part: Part, version: str) -> str:
    """What to do about an old version."""
    return f"upgrade {part} to {version} or newer"


def parsed(version: str) -> tuple[int, int, int] | None:
    """The numbers of a version, such as ``v1.35.2-eks-1``; ``None`` for what is none."""
    found = _VERSION.match(version)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3] or 0))


def _known(version: str) -> tuple[int, int, int]:
    numbers = parsed(version)
    assert numbers is not None  # noqa: S101 - of the tables above
    return numbers
