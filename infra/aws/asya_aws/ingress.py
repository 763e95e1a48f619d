"""The gateway's way in from outside, by the load balancing that EKS Auto Mode has built in. Pure.

Sources: https://docs.aws.amazon.com/eks/latest/userguide/auto-configure-alb.html, and for the annotations
https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/.
"""

from collections.abc import Mapping
from typing import Any, Final

from asya_aws.settings import AwsSettings
from asya_infra.ports import Ingress

CLASS: Final = "asya-gateway"
IDLE_S: Final = 3600
"""A client that follows a stream may hear nothing for so long; AWS takes at most 4000."""
TLS_POLICY: Final = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.2 and 1.3."""
_GROUP: Final = "eks.amazonaws.com"


def class_objects(own: AwsSettings, namespace: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """The class by which Auto Mode makes one Application Load Balancer, for the gateway's namespace alone.

    Args:
        own: Certificate and scheme.
        namespace: The gateway's.
        tags: Of the load balancer.
    """
    parameters = {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "IngressClassParams",
        "metadata": {"name": CLASS},
        "spec": {
            "scheme": own.gateway_scheme,
            "certificateARNs": [own.gateway_certificate],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "loadBalancerAttributes": [{"key": "idle_timeout.timeout_seconds", "value": str(IDLE_S)}],
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        },
    }
    made = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": CLASS},
        "spec": {
            "controller": f"{_GROUP}/alb",
            "parameters": {"apiGroup": _GROUP, "kind": "IngressClassParams", "name": CLASS},
        },
    }
    return [parameters, made]


def ingress(own: AwsSettings, host: str) -> Ingress:
    """How the gateway is reached: by HTTPS alone, from the addresses that are named."""
    notes = {
        "alb.ingress.kubernetes.io/target-type": "ip",
        "alb.ingress.kubernetes.io/listen-ports": '[{"HTTPS":443}]',
        "alb.ingress.kubernetes.io/ssl-policy": TLS_POLICY,
        "alb.ingress.kubernetes.io/healthcheck-path": "/ready",
        **({"alb.ingress.kubernetes.io/inbound-cidrs": ",".join(own.gateway_cidrs)} if own.gateway_cidrs else {}),
    }
    return Ingress(host=host, class_name=CLASS, annotations=notes)
