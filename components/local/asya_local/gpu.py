"""GPUs on this machine: how many replicas of an actor that asks for some run at once. There is no scheduler to ask here."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from asya_manifest.gpus import gpus_in
from asya_manifest.pod import PodTemplate

VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
_DEVICE: Final = re.compile(r"nvidia\d+|kfd")


def gpus_asked(template: PodTemplate) -> int:
    """How many GPUs the runtime container of one replica asks for, 0 for none."""
    return gpus_in((template.runtime.model_extra or {}).get("resources"))


def gpus_here(environ: Mapping[str, str], devices: Path = Path("/dev")) -> int:
    """How many GPUs a handler may see: those that ``CUDA_VISIBLE_DEVICES`` lists, else the machine's."""
    listed = environ.get(VISIBLE)
    if listed is not None:
        return len([each for each in listed.split(",") if each.strip() not in ("", "-1")])
    return sum(1 for path in devices.glob("*") if _DEVICE.fullmatch(path.name))


def bound_by_gpus(asked: int, here: int, cap: int) -> tuple[int, str]:
    """How many replicas may run at once, and why, in a line for people; the line is empty where nothing is bound.

    Args:
        asked: GPUs that one replica asks for.
        here: GPUs of this machine.
        cap: Replicas that may run otherwise.
    """
    bound = max(1, here // asked) if asked else cap
    if bound >= cap and here >= asked:
        return cap, ""
    seen = f"this machine has {here}" if here else "none is seen on this machine"
    return min(
        bound, cap
    ), f"a replica asks for {asked} GPU{'s' if asked > 1 else ''}, and {seen}: at most {bound} here"
