"""The CustomResourceDefinitions of AsyncActors and Limits, made from their models. Pure.

What the API server can judge (types, bounds, the mesh's own rules) it judges when a manifest is applied; what it cannot
(durations in words, class names, mounts) the operator says later in the actor's status.
"""

from asya_operator.crd.definition import CRD_NAME, build_crd, dump_crd
from asya_operator.crd.limit_definition import LIMIT_CRD_NAME, build_limit_crd, dump_limit_crd

__all__ = ["CRD_NAME", "LIMIT_CRD_NAME", "build_crd", "build_limit_crd", "dump_crd", "dump_limit_crd"]
