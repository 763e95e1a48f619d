"""What one look at a cluster sees of tokens, certificates and the operator's page, and which alerts are true by it."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from asya_cli.cluster_alerts import firing
from asya_cli.cluster_check import read_alerts
from asya_cli.cluster_figures import CannotAsk, Figures, read_page, secret_of
from asya_operator.metrics import Metrics
from asya_transport.port import Depth

NOW = datetime(2026, 11, 30, tzinfo=UTC)
NOW_S = NOW.timestamp()


def certificate(days: int) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(NOW - timedelta(days=80)).not_valid_after(NOW + timedelta(days=days))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def token(days: int) -> str:
    claims = json.dumps({"exp": NOW_S + days * 86400}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


def deployment(name: str, env: dict[str, str], **spec: Any) -> dict[str, Any]:
    container = {"name": name, "env": [{"name": key, "value": value} for key, value in env.items()], **spec}
    volumes = [{"name": "tls", "secret": {"secretName": "gateway-tls"}}]
    template = {"spec": {"containers": [container], "volumes": volumes}}
    selector = {"matchLabels": {"app.kubernetes.io/name": "asya-operator"}}
    return {
        "metadata": {"namespace": "asya-system", "name": name},
        "spec": {"selector": selector, "template": template},
    }


def secret(namespace: str, **data: bytes) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "name": "s"},
        "data": {key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()},
    }


GATEWAY = deployment(
    "gateway",
    {"ASYA_GATEWAY_TLS_CERT": "/etc/tls/tls.crt"},
    volumeMounts=[{"name": "tls", "mountPath": "/etc/tls/"}],
)
OPERATOR = deployment(
    "manager",
    {"ASYA_TRANSPORT_CONFIG": "/etc/asya/t.yaml", "ASYA_GATEWAY_TOKEN_SECRET": "asya-gateway-report"},
    ports=[{"name": "metrics", "containerPort": 8080}],
)


class Cluster:
    """Answers as kubectl would: what was asked, by its verb's object."""

    def __init__(self, **answers: dict[str, Any]) -> None:
        self._answers = {"pods": {"items": []}, "secrets": {"items": []}, **answers}
        self.page = ""

    def ask(self, _verb: str, what: str, *_rest: str) -> dict[str, Any]:
        if what not in self._answers:
            raise CannotAsk(f"{what} is forbidden")
        return self._answers[what]

    def text(self, *words: str) -> str:
        assert words == ("get", "--raw", "/api/v1/namespaces/asya-system/pods/op-1:8080/proxy/metrics")
        return self.page


def test_a_certificate_and_a_token_near_their_ends_are_told_in_the_alerts_words() -> None:
    cluster = Cluster(
        secret=secret("asya-system", tls_crt=certificate(9)),
        secrets={"items": [secret("team", token=token(1).encode()), secret("blue", token=token(90).encode())]},
    )
    seen = Figures(cluster.ask, cluster.text).look({"items": [GATEWAY, OPERATOR]})
    found = list(read_alerts(seen, NOW_S))
    assert [(each.name, each.detail) for each in found] == [
        ("AsyaCertificateEnds", "The gateway's certificate CN=gateway ends in 9 days."),
        ("AsyaTokenEnds", "The token with which every actor of team reports to the gateway ends in 24 hours."),
    ]
    assert all(each.alert and not each.required and each.cure for each in found)


def test_the_operator_s_page_tells_of_brokers_and_actors() -> None:
    metrics = Metrics()
    metrics.show_parts([("RabbitMQ", "4.1.0"), ("KEDA", "2.20.0")])
    metrics.count_rounds({"rabbitmq": False, "sqs": True})
    metrics.show_queues([(("team", "ocr"), Depth(1, 0))], [(("team", "ocr"), Depth(3))])
    running = {"metadata": {"name": "op-1"}, "status": {"phase": "Running"}}
    gone = {"metadata": {"name": "op-0"}, "status": {"phase": "Failed"}}
    cluster = Cluster(pods={"items": [gone, running]})
    cluster.page = metrics.render().decode()
    seen = Figures(cluster.ask, cluster.text).look({"items": [OPERATOR]})
    assert seen.unread == {}
    assert {each.summary for each in firing(seen.samples, NOW_S)} == {
        "ocr has 3 dead letters.",
        "The operator cannot count the queues of transport rabbitmq: every other figure of it is old.",
        "Nobody mends RabbitMQ 4.1.0 any more.",
        "KEDA 2.20.0 has a known hole: CVE-2026-77524.",
    }


def test_where_nothing_is_wrong_that_is_said_with_what_one_look_cannot_tell() -> None:
    metrics = Metrics()
    metrics.count_rounds({"sqs": True})
    cluster = Cluster(pods={"items": [{"metadata": {"name": "op-1"}, "status": {"phase": "Running"}}]})
    cluster.page = metrics.render().decode()
    (only,) = read_alerts(Figures(cluster.ask, cluster.text).look({"items": [OPERATOR]}), NOW_S)
    assert only.found
    assert "the others need a Prometheus" in only.detail


def test_what_may_not_be_looked_at_is_said_and_costs_nothing_else() -> None:
    cluster = Cluster(secrets={"items": [secret("team", token=token(1).encode())]})
    seen = Figures(cluster.ask, cluster.text).look({"items": [GATEWAY, OPERATOR]})
    assert seen.unread == {"gateway's certificate": "secret is forbidden"}
    assert [each.name for each in read_alerts(seen, NOW_S)] == ["AsyaTokenEnds", "gateway's certificate"]


@pytest.mark.parametrize(
    ("path", "items", "found"),
    [
        ("/etc/tls/tls.crt", None, ("gateway-tls", "tls.crt")),
        ("/etc/tls/a/b.pem", [{"key": "chain", "path": "a/b.pem"}], ("gateway-tls", "chain")),
    ],
)
def test_a_file_is_found_in_its_secret(path: str, items: list[dict[str, str]] | None, found: tuple[str, str]) -> None:
    pod = {"volumes": [{"name": "tls", "secret": {"secretName": "gateway-tls", **({"items": items} if items else {})}}]}
    assert secret_of(path, {"volumeMounts": [{"name": "tls", "mountPath": "/etc/tls"}]}, pod) == found


def test_a_certificate_of_no_secret_and_a_page_that_is_none_are_said() -> None:
    with pytest.raises(CannotAsk, match="comes from no secret"):
        secret_of("/run/tls.crt", {"volumeMounts": [{"name": "x", "mountPath": "/run"}]}, {"volumes": [{"name": "x"}]})
    with pytest.raises(CannotAsk, match="no page of metrics"):
        list(read_page("{{{"))
