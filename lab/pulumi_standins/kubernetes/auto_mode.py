"""The three definitions that EKS Auto Mode brings, as far as this repository writes objects of them.

Source: https://docs.aws.amazon.com/eks/latest/userguide/create-node-class.html, create-node-pool.html and
auto-configure-alb.html.
"""

from typing import Any, Final

_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "object", "additionalProperties": _TEXT}


def _object(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_SELECTED: Final = _list(_object(id=_TEXT, tags=_TEXTS))
_CLASS: Final = _object(
    role=_TEXT,
    subnetSelectorTerms=_SELECTED,
    securityGroupSelectorTerms=_SELECTED,
    networkPolicy={"type": "string", "enum": ["DefaultAllow", "DefaultDeny"]},
    networkPolicyEventLogs={"type": "string", "enum": ["Enabled", "Disabled"]},
    ephemeralStorage=_object(size=_TEXT, kmsKeyID=_TEXT, iops={"type": "integer"}, throughput={"type": "integer"}),
    tags=_TEXTS,
)
_NODE: Final = _object(
    nodeClassRef={**_object(group=_TEXT, kind=_TEXT, name=_TEXT), "required": ["group", "kind", "name"]},
    requirements=_list(
        {
            **_object(
                key=_TEXT,
                operator={"type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]},
                values=_list(_TEXT),
            ),
            "required": ["key", "operator"],
        }
    ),
    taints=_list({**_object(key=_TEXT, value=_TEXT, effect=_TEXT), "required": ["key", "effect"]}),
    expireAfter=_TEXT,
    terminationGracePeriod=_TEXT,
)
_POOL: Final = _object(
    template=_object(metadata=_object(labels=_TEXTS), spec=_NODE),
    limits={"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True}},
    disruption=_object(
        consolidationPolicy={"type": "string", "enum": ["WhenEmpty", "WhenEmptyOrUnderutilized"]},
        consolidateAfter=_TEXT,
    ),
)


_PAIRS: Final = _list({**_object(key=_TEXT, value=_TEXT), "required": ["key", "value"]})
_WAY_IN: Final = _object(
    scheme={"type": "string", "enum": ["internal", "internet-facing"]},
    certificateARNs=_list(_TEXT),
    namespaceSelector=_object(matchLabels=_TEXTS),
    loadBalancerAttributes=_PAIRS,
    tags=_PAIRS,
)


def _definition(group: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    schema = {"openAPIV3Schema": _object(spec=spec)}
    return {"spec": {"group": group, "names": {"kind": kind}, "versions": [{"name": "v1", "schema": schema}]}}


DEFINITIONS: Final = (
    _definition("eks.amazonaws.com", "NodeClass", _CLASS),
    _definition("eks.amazonaws.com", "IngressClassParams", _WAY_IN),
    _definition("karpenter.sh", "NodePool", _POOL),
)
CLUSTER_SCOPED: Final = frozenset({"NodeClass", "NodePool", "IngressClassParams"})
