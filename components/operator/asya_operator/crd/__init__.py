"""The CustomResourceDefinition of AsyncActors, made from the models in ``actor.py``. Pure.

What the API server can judge (types, bounds, the mesh's own rules) it judges when a manifest is applied; what it cannot
(durations in words, class names, mounts) the operator says later in the actor's status.
"""

from asya_operator.crd.definition import CRD_NAME, build_crd, dump_crd

__all__ = ["CRD_NAME", "build_crd", "dump_crd"]
