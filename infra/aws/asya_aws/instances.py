"""What the name of an EC2 instance type says: its architecture, its accelerator, the node image that fits. Pure."""

from collections.abc import Sequence
from typing import Final, Literal

Accelerator = Literal["", "nvidia", "neuron"]
_ARM: Final = ("a1", "t4g", "g5g", "hpc7g", "im4gn", "is4gen", "x2gd", "p6e-gb200", "p6e-gb300")
_IMAGES: Final = {
    (False, ""): "AL2023_x86_64_STANDARD",
    (True, ""): "AL2023_ARM_64_STANDARD",
    (False, "nvidia"): "AL2023_x86_64_NVIDIA",
    (True, "nvidia"): "AL2023_ARM_64_NVIDIA",
    (False, "neuron"): "AL2023_x86_64_NEURON",
}
"""Source: https://docs.aws.amazon.com/eks/latest/APIReference/API_Nodegroup.html, amiType."""


def image_type(types: Sequence[str]) -> str:
    """The node image that fits instance types.

    Raises:
        ValueError: They are of two architectures or accelerators.
    """
    kinds = {(is_arm(each), accelerator(each)) for each in types}
    if len({arm for arm, _ in kinds}) != 1:
        raise ValueError(f"{', '.join(types)} are of two architectures; a node group has one")
    if len(kinds) != 1:
        raise ValueError(f"{', '.join(types)} are with and without an accelerator; a node group has one kind")
    return _IMAGES[kinds.pop()]


def is_arm(instance: str) -> bool:
    """Whether it is a Graviton or Grace CPU."""
    family = instance.split(".", maxsplit=1)[0]
    # Graviton families end in g, and letters for disks and networks: m7g, c7gn, r6gd.
    digits = [place for place, letter in enumerate(family) if letter.isdigit()]
    return family in _ARM or (bool(digits) and "g" in family[digits[-1] + 1 :] and not family.startswith(("g", "p")))


def accelerator(instance: str) -> Accelerator:
    """What computes besides the CPU: g4dn, g6e, p5en; inf2, trn1. Families g4ad are AMD's, which EKS has no image for."""
    family = instance.split(".", maxsplit=1)[0]
    if family.startswith(("inf", "trn")):
        return "neuron"
    return "nvidia" if family[:1] in ("g", "p") and family[1:2].isdigit() and not family.startswith("g4ad") else ""
