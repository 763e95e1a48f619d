"""GPUs that containers ask for, by the names that device plugins have for them. Pure.

Source: https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/ (limits; requests say the same).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

RESOURCE: Final = re.compile(r"[^/]+/gpu(\..*)?|gpu\.[^/]+/.+")
"""``nvidia.com/gpu``, ``amd.com/gpu``, ``nvidia.com/gpu.shared``, ``gpu.intel.com/i915``."""


def gpus_in(resources: object) -> int:
    """How many GPUs a container's ``resources`` ask for, 0 for none and for what is no such thing."""
    limits = resources.get("limits") or resources.get("requests") if isinstance(resources, Mapping) else None
    found = limits.items() if isinstance(limits, Mapping) else ()
    return sum(int(amount) for name, amount in found if RESOURCE.fullmatch(str(name)) and str(amount).isdecimal())


def gpus_of_replica(actor: Mapping[str, Any]) -> int:
    """How many GPUs all containers of one replica ask for; of an AsyncActor as the API server has it."""
    pod = actor
    for key in ("spec", "workload", "template", "spec"):
        pod = pod.get(key) or {}
    return sum(gpus_in(container.get("resources")) for container in pod.get("containers") or ())
