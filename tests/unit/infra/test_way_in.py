"""The gateway's way in from outside, under mocks: Auto Mode's load balancer, another controller's, or none."""

from typing import Any

import pytest

from asya_aws.ingress import CLASS
from asya_infra.errors import ConfigError
from asya_infra.settings import read_settings
from tests.support.pulumi_program import ON_AWS, Run, run_environment
from tests.support.stack_settings import Given

pytestmark = pytest.mark.unit

CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0b1c"
GATEWAY: dict[str, Any] = {
    "gatewayImage": f"{ON_AWS['registry']}/asya-gateway:1",
    "gatewayTokens": "caller-token",
    "database": "none",
}
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"


def on_eks(**changes: Any) -> Run:
    host = {"gatewayHost": "asya.example.com", "gatewayCertificate": CERTIFICATE}
    return run_environment("aws", keda="installed", **{**GATEWAY, **host, **changes})


def test_auto_mode_makes_an_internal_load_balancer_by_https() -> None:
    seen = on_eks(tags={"team": "search"})
    parameters = seen.one("kubernetes:eks.amazonaws.com/v1:IngressClassParams").inputs
    assert parameters["spec"]["scheme"] == "internal"
    assert parameters["spec"]["certificateARNs"] == [CERTIFICATE]
    assert parameters["spec"]["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "asya-system"}}
    assert {"key": "team", "value": "search"} in parameters["spec"]["tags"]
    named = seen.one("kubernetes:networking.k8s.io/v1:IngressClass").inputs
    assert named["spec"]["controller"] == "eks.amazonaws.com/alb"
    made = seen.one(INGRESS).inputs
    assert made["spec"]["ingressClassName"] == named["metadata"]["name"] == CLASS
    (rule,) = made["spec"]["rules"]
    assert rule["host"] == "asya.example.com"
    notes = made["metadata"]["annotations"]
    assert notes["alb.ingress.kubernetes.io/listen-ports"] == '[{"HTTPS":443}]'
    assert "alb.ingress.kubernetes.io/inbound-cidrs" not in notes
    assert seen.exports["gatewayPublicUrl"] == "https://asya.example.com"
    told = seen.one("kubernetes:core/v1:ConfigMap", "mesh-gateway-configmap-asya-system-asya-gateway-config").inputs
    assert told["data"]["ASYA_GATEWAY_PUBLIC_URL"] == "https://asya.example.com"


def test_the_load_balancer_goes_before_its_class_and_the_cluster() -> None:
    """What is made last goes first: its controller must be there to take it away."""
    seen = on_eks()
    after = {name for _, name in seen.one(INGRESS).depends}
    assert {"eks-ingressclass-asya-gateway", "eks-ingressclassparams-asya-gateway"} <= after


def test_the_internet_reaches_it_from_named_addresses() -> None:
    seen = on_eks(gatewayScheme="internet-facing", gatewayCidrs=["203.0.113.0/24", "198.51.100.7/32"])
    assert seen.one("kubernetes:eks.amazonaws.com/v1:IngressClassParams").inputs["spec"]["scheme"] == "internet-facing"
    notes = seen.one(INGRESS).inputs["metadata"]["annotations"]
    assert notes["alb.ingress.kubernetes.io/inbound-cidrs"] == "203.0.113.0/24,198.51.100.7/32"


@pytest.mark.parametrize("environment", ["oss", "aws"])
def test_a_controller_that_is_there_makes_it_with_a_certificate_of_its_own(environment: str) -> None:
    way: dict[str, Any] = {"gatewayHost": "asya.example.com", "ingressClass": "nginx", "gatewayTlsSecret": "asya-tls"}
    seen = run_environment(environment, **{**GATEWAY, **way, "keda": "installed"})
    spec = seen.one(INGRESS).inputs["spec"]
    assert spec["ingressClassName"] == "nginx"
    assert spec["tls"] == [{"hosts": ["asya.example.com"], "secretName": "asya-tls"}]
    assert seen.of_type("kubernetes:networking.k8s.io/v1:IngressClass") == []


def test_nobody_asked_makes_none() -> None:
    seen = run_environment("aws", keda="installed", **GATEWAY)
    assert seen.of_type(INGRESS) == [] and seen.of_type("kubernetes:networking.k8s.io/v1:IngressClass") == []
    assert seen.exports["gatewayPublicUrl"] == ""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"gatewayHost": "https://x"}, "asya:gatewayHost: 'https://x' is no name in DNS"),
        ({"gatewayHost": "localhost"}, "asya:gatewayHost: 'localhost' is no name in DNS"),
        ({"gatewayHost": "a.example"}, "asya:gatewayHost: leads nowhere, for there is no gateway"),
        ({"gatewayHost": "a.example", "cluster": "none"}, "asya:gatewayHost: leads nowhere, for there is no cluster"),
        ({"ingressClass": "nginx"}, "asya:gatewayHost: is not set, and asya:ingressClass is for a gateway"),
        ({"gatewayHost": "a.example", **GATEWAY}, "asya:ingressClass: is not set, and nothing else leads a.example"),
        (
            {"gatewayHost": "a.example", "ingressClass": "nginx", **GATEWAY},
            "asya:gatewayTlsSecret: is not set, and a.example is reached by HTTPS alone",
        ),
    ],
)
def test_a_way_that_leads_nowhere_is_refused(settings: dict[str, str], said: str) -> None:
    plain = {"queue": "sqs-endpoint", "sqsEndpoint": "http://h:1", "store": "none"}
    queue = {"queue": "memory", "store": "none"} if settings.get("cluster") == "none" else plain
    with pytest.raises(ConfigError) as caught:
        read_settings(Given({**queue, **settings}), "oss")
    assert str(caught.value).startswith(said)
