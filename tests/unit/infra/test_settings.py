"""A stack's settings: presets, mixes, and one clear line for whatever cannot be used."""

from pathlib import Path
from typing import Any

import pytest

from asya_aws.checks import read_aws_settings
from asya_infra.errors import ConfigError
from asya_infra.kubeconfig import read_kubeconfig
from asya_infra.settings import PRESETS, read_settings
from tests.support.pulumi_program import KUBECONFIG, run_environment
from tests.support.stack_settings import Given

pytestmark = pytest.mark.unit

SECRET = "s"


def test_a_stack_named_as_a_preset_takes_it() -> None:
    assert read_settings(Given(region="eu-central-1"), "aws").cluster == "eks"
    assert read_settings(Given(), "local").cluster == "none"


def test_another_stack_is_of_the_kind_it_names() -> None:
    found = read_settings(Given(environment="aws", region="eu-central-1"), "prod")
    assert (found.environment, found.cluster, found.queue, found.store) == ("aws", "eks", "sqs", "s3")


def test_any_part_may_be_another_one_than_the_preset_s() -> None:
    found = read_settings(Given(queue="rabbitmq", region="eu-central-1", password=SECRET), "aws")
    assert (found.cluster, found.queue) == ("eks", "rabbitmq")


def test_only_a_gateway_has_a_database() -> None:
    settings = {"region": "eu-central-1"}
    assert read_settings(Given(settings), "aws").database == "none"
    settings |= {"gatewayImage": "gateway:1", "gatewayTokens": SECRET}
    assert read_settings(Given(settings), "aws").database == "rds"


def test_every_preset_says_one_of_each() -> None:
    assert {len(parts) for parts in PRESETS.values()} == {4}


REFUSED: list[tuple[str, dict[str, str], str]] = [
    ("oss", {"queue": "kafka"}, "asya:queue: 'kafka' is not one of sqs, "),
    ("aws", {}, "asya:region: is not set, and cluster and queue and store of AWS need one; "),
    ("aws", {"region": "here"}, "asya:region: 'here' is no AWS region; pulumi config set asya:region eu-central-1"),
    ("oss", {"queue": "memory"}, "asya:queue: 'memory' is for cluster none"),
    ("local", {"queue": "rabbitmq"}, "asya:queue: 'rabbitmq' wants a cluster, and cluster is none"),
    ("oss", {}, "asya:password: is not set; rabbitmq need"),
    (
        "localstack",
        {},
        "asya:sqsEndpoint: is not set; queue sqs-endpoint needs it: pulumi config set asya:sqsEndpoint ",
    ),
    ("oss", {"password": SECRET}, "asya:accessKey: is not set; seaweedfs needs a key pair"),
    ("oss", {"waitSeconds": "soon"}, "asya:waitSeconds: 'soon' is not a whole number from 0 to 3600; "),
    ("oss", {"monitoring": "yes"}, "asya:monitoring: 'yes' is not one of true, false, operator; "),
    ("oss", {"namespace": "My_Actors"}, "asya:namespace: 'My_Actors' must be lower case letters"),
    ("oss", {"s3Endpoint": "minio:9000"}, "asya:s3Endpoint: 'minio:9000' must start with http:// or https://"),
    ("oss", {"gatewayImage": "g"}, "asya:gatewayTokens: is not set; a gateway needs to know who may call"),
    ("oss", {"accessKey": SECRET}, "asya:secretKey: is not set; access key and secret key belong together"),
    ("oss", {"manifests": "7"}, "asya:manifests: must be a list of texts"),
    ("oss", {"tags": "[]"}, "asya:tags: must map names to texts"),
    ("oss", {"queuePrefix": "an-environment-"}, "asya:queuePrefix: 'an-environment-' is not 1 to 13 letters"),
    ("oss", {"databaseCa": "nowhere.pem"}, "asya:databaseCa: 'nowhere.pem' cannot be read: "),
    ("oss", {"databaseCa": __file__}, f"asya:databaseCa: {__file__!r} holds no certificate in PEM"),
    ("oss", {"queue": "rabbitmq-endpoint"}, "asya:rabbitmqUrl: is not set; queue rabbitmq-endpoint needs it"),
]


@pytest.mark.parametrize(("stack", "config", "said"), REFUSED)
def test_what_cannot_be_used_is_one_line_with_the_key_and_the_cure(
    stack: str, config: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(Given(config), stack)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


AWS_REFUSED: list[tuple[dict[str, str], str]] = [
    ({"cidr": "10.0.0.0/24"}, "asya:cidr: '10.0.0.0/24' is no /16"),
    ({"cidr": "ten"}, "asya:cidr: 'ten' is no network like"),
    ({"zones": "5"}, "asya:zones: '5' is not a whole number from 2 to 3"),
    ({"nodesMin": "5", "nodesMax": "2"}, "asya:nodesMin: 5 is more than asya:nodesMax (2)"),
    ({"vpcId": "vpc-1"}, "asya:subnetIds: must name private subnets in two zones"),
    ({"subnetIds": '["a", "b"]'}, "asya:vpcId: is not set, but asya:subnetIds is"),
    ({"admins": '["me"]'}, "asya:admins: 'me' is no ARN of a role or user"),
    ({"nat": "some"}, "asya:nat: 'some' is not one of none, single, per-zone"),
]


@pytest.mark.parametrize(("config", "said"), AWS_REFUSED)
def test_the_same_for_what_is_said_about_aws(config: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_aws_settings(Given(config))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("text", "context", "said"),
    [
        (None, "", "asya:kubeconfig: .* cannot be read"),
        ("{", "", "asya:kubeconfig: .* is no YAML"),
        ("[]", "", "asya:context: '' is no context of .* .it has: none."),
        (KUBECONFIG, "other", "asya:context: 'other' is no context of .* .it has: test."),
        (
            KUBECONFIG.replace("https://127.0.0.1:6443", ""),
            "",
            "asya:kubeconfig: context 'test' of .* names no API server",
        ),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_is_said_at_once(
    tmp_path: Path, text: str | None, context: str, said: str
) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        read_kubeconfig(str(path), context, {})


def test_the_kubeconfig_is_the_variable_s_unless_named(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG, encoding="utf-8")
    found = read_kubeconfig("", "", {"KUBECONFIG": str(path)})
    assert (found.context, found.server, found.text) == ("test", "https://127.0.0.1:6443", KUBECONFIG)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"manifests": ["no/such/file.yaml"]}, "asya:manifests: .*no such file or folder"),
        ({"keda": "no/such/file.yaml"}, "asya:keda: .*does not exist"),
        (
            {"keda": "https://example.invalid/keda.yaml"},
            "asya:keda: .*python -m asya_infra.fetch https://example.invalid/keda",
        ),
        ({"cluster": "kind"}, "asya:cluster: 'kind' needs the .* command, which is not on PATH"),
    ],
)
def test_nothing_is_registered_for_a_stack_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match=said):
        run_environment("oss", **changes)
