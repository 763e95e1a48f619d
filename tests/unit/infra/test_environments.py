"""The program of every environment under mocks: what it registers, in which order, and what stays secret."""

import json
from pathlib import Path
from typing import Any

import pytest

from asya_infra import local_resources
from asya_operator.queues import admin_settings
from asya_operator.transport_config import parse_transports
from asya_transport.rabbitmq.consumer import ACK_TIMEOUT_MS
from tests.support.pulumi_program import ENVIRONMENTS, Run, run_environment, whole_environment

pytestmark = pytest.mark.unit

HIDDEN = ("asya-evaluation", "kubeconfig-token", "caller-token", "report-token", "database-password")


def test_local_is_processes_and_nothing_else() -> None:
    seen = run_environment("local")
    assert [(each.type, each.name, each.parent) for each in seen.resources] == [
        ("asya:index:LocalEnvironment", "mesh", ""),
        ("pulumi-python:dynamic:Resource", "mesh-processes", "mesh"),
        ("pulumi-python:dynamic:Resource", "configmap-hello-handler", ""),
        ("asya:index:AsyncActor", "hello-actor", ""),
        ("pulumi-python:dynamic:Resource", "hello-actor", "hello-actor"),
    ]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_object_goes_through_the_cluster_s_own_provider(name: str) -> None:
    seen = whole_environment(name)
    objects = [each for each in seen.resources if each.type.startswith("kubernetes:")]
    assert len(objects) > 40
    assert {each.provider.split("::")[-2] for each in objects} == {"cluster"}
    clouds = [each for each in seen.resources if each.type.startswith("aws:")]
    assert {each.provider.split("::")[-2] for each in clouds} == ({"aws"} if name == "aws" else set())


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_object_waits_for_its_namespace_and_an_actor_for_its_definition(name: str) -> None:
    seen = whole_environment(name)
    after = {(each.type, each.name): each.depends for each in seen.resources}

    def waits_for(key: tuple[str, str], found: set[tuple[str, str]]) -> set[tuple[str, str]]:
        for before in after.get(key, frozenset()) - found:
            waits_for(before, found | {before})
            found |= {before} | waits_for(before, found | {before})
        return found

    namespaces = {
        each.inputs["metadata"]["name"]: (each.type, each.name) for each in seen.of_type("kubernetes:core/v1:Namespace")
    }
    (definition,) = (
        each
        for each in seen.of_type("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition")
        if each.inputs["metadata"]["name"] == "asyncactors.asya.sh"
    )
    for each in seen.resources:
        if not each.type.startswith("kubernetes:"):
            continue
        place = each.inputs["metadata"].get("namespace")
        if place not in (None, "kube-system"):
            assert namespaces[place] in waits_for((each.type, each.name), set()), each.name
        if each.type == "kubernetes:asya.sh/v1alpha1:AsyncActor":
            assert (definition.type, definition.name) in waits_for((each.type, each.name), set())


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("preview", [False, True])
def test_no_secret_is_an_open_input(name: str, *, preview: bool) -> None:
    seen = whole_environment(name, preview=preview)
    assert seen.resources
    for each in seen.resources:
        for key, value in each.inputs.items():
            leaked = [word for word in HIDDEN if word in str(value)]
            assert not leaked or key in each.secrets, f"{each.type} {each.name}: {key} shows {leaked}"
    hidden = [each for each in seen.of_type("kubernetes:core/v1:Secret") if "stringData" not in each.secrets]
    assert hidden == []


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_preview_lists_what_an_update_makes(name: str) -> None:
    def listed(seen: Run) -> set[tuple[str, str]]:
        return {(each.type, each.name) for each in seen.resources}

    assert listed(whole_environment(name, preview=True)) == listed(whole_environment(name))


@pytest.mark.parametrize("name", ("local", *ENVIRONMENTS))
def test_names_are_distinct_within_their_type(name: str) -> None:
    seen = whole_environment(name) if name != "local" else run_environment(name)
    keys = [(each.type, each.name) for each in seen.resources]
    assert len(keys) == len(set(keys))


def test_a_prefix_of_its_own_reaches_everybody_who_names_queues() -> None:
    changes: dict[str, Any] = {
        "gatewayImage": "registry.example/asya-gateway:0.2.0",
        "gatewayTokens": "caller-token",
        "queuePrefix": "teamb-",
    }
    seen = run_environment(
        "aws", keda="installed", password="database-password", manifests=["examples/hello"], **changes
    )
    deployment = seen.one("kubernetes:apps/v1:Deployment", "mesh-operator-deployment-asya-system-asya-operator")
    (container,) = deployment.inputs["spec"]["template"]["spec"]["containers"]
    assert {"name": "ASYA_QUEUE_PREFIX", "value": "teamb-"} in container["env"]
    gateway = seen.one("kubernetes:core/v1:ConfigMap", "mesh-gateway-configmap-asya-system-asya-gateway-config")
    assert gateway.inputs["data"]["ASYA_QUEUE_PREFIX"] == "teamb-"
    policies = [each.inputs["policy"] for each in seen.of_type("aws:iam/rolePolicy:RolePolicy")]
    assert policies
    assert any(":sqs:eu-central-1:123456789012:teamb-" in policy for policy in policies)
    assert not any(":sqs:eu-central-1:123456789012:asya-" in policy for policy in policies)
    assert seen.exports["actors"]["hello-actor"]["queue"] == "teamb-hello-actor"


@pytest.mark.parametrize(
    ("path", "vhost", "sent"),
    [
        ("", "/", ""),
        ("/", "/", ""),
        ("/%2F", "/", ""),
        ("/%2Fprod", "/prod", "%2Fprod"),
        ("/team a", "team a", "team%20a"),
    ],
)
def test_everybody_finds_the_virtual_host_and_user_that_the_url_names(path: str, vhost: str, sent: str) -> None:
    changes: dict[str, Any] = {
        "queue": "rabbitmq-endpoint",
        "rabbitmqUrl": f"amqp://te%40am@broker:5672{path}",
        "password": "hidden",
        "gatewayImage": "asya-gateway:0.2.0",
        "gatewayTokens": "caller-token",
    }
    seen = run_environment("oss", **changes)
    operator = seen.one("kubernetes:core/v1:ConfigMap", "mesh-configmap-asya-system-asya-operator-config").inputs
    transport = parse_transports(operator["data"]["transports.json"]).get("rabbitmq")
    config = json.loads(operator["data"]["transports.json"])["transports"]["rabbitmq"]["config"]
    assert (config["username"], config["vhost"]) == ("te@am", vhost)
    gateway = seen.one("kubernetes:core/v1:Secret", "mesh-gateway-secret-asya-system-asya-gateway-connections").inputs
    url = f"amqp://te%40am:hidden@broker:5672/{sent}"
    assert gateway["stringData"]["ASYA_RABBITMQ_URL"] == url
    assert (admin_settings(transport, ["hidden"]).rabbitmq_url or "").removesuffix("%2F") == url


def test_the_rabbitmq_in_the_cluster_leaves_handlers_the_time_that_consumers_ask_for() -> None:
    """Its version takes no argument of a consumer; on classic queues of others only its configuration counts."""
    seen = whole_environment("oss")
    (config,) = [
        each
        for each in seen.of_type("kubernetes:core/v1:ConfigMap")
        if each.inputs["metadata"]["name"] == "asya-rabbitmq"
    ]
    lines = config.inputs["data"]["asya.conf"].splitlines()
    assert f"consumer_timeout = {ACK_TIMEOUT_MS}" in lines
    assert "loopback_users = none" in lines, "RabbitMQ's own word: without it its user may come from its own pod only"


def test_a_secret_of_ones_own_manifests_is_a_secret_in_the_state(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: api}\nstringData: {key: hush}\n"
    (tmp_path / "secret.yaml").write_text(text, encoding="utf-8")
    for environment, token, key in (
        ("oss", "kubernetes:core/v1:Secret", "stringData"),
        ("local", "pulumi-python:dynamic:Resource", "text"),
    ):
        seen = run_environment(environment, manifests=[str(tmp_path)])
        (made,) = [each for each in seen.resources if each.type == token and "hush" in str(each.inputs)]
        assert key in made.secrets


def test_what_a_local_mesh_follows_is_its_owners_alone(tmp_path: Path) -> None:
    kept = {"home": str(tmp_path / "mesh"), "transport": "memory", "endpoint": ""}
    local_resources._Meshes().create(kept)
    assert (tmp_path / "mesh").stat().st_mode & 0o777 == 0o700
    (tmp_path / "mesh").chmod(0o755)  # as an older version left it
    for text in ("first", "second"):
        local_resources._write(tmp_path / "mesh" / "secret.yaml", text)
        assert (tmp_path / "mesh" / "secret.yaml").stat().st_mode & 0o777 == 0o600
