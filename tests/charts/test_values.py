"""What values do: lint, objects that an API server takes, and refusals of what cannot be meant."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from asya_gateway.settings import read_settings as read_gateway_settings
from asya_manifest.tools import parse_tools
from asya_operator.settings import read_settings as read_operator_settings
from asya_operator.transport_config import parse_transports
from tests.charts.conftest import CHARTS, NAMESPACE, Helm, Objects, find
from tests.support.chart_values import GOOD, HELLO, RABBITMQ, SEED, WAY_IN

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("asya-crds", {"anything": 1}, "anything"),
    ("asya-operator", {"replicas": 3}, "replicas"),
    ("asya-operator", {"image": {"tg": "1"}}, "tg"),
    ("asya-operator", {"replicaCount": "two"}, "replicaCount"),
    ("asya-operator", {"replicaCount": 2, "leaderElection": {"enabled": False}}, "leaderElection"),
    ("asya-operator", {"logLevel": "loud"}, "logLevel"),
    ("asya-operator", {"actorUser": 0}, "actorUser"),
    ("asya-operator", {"actorUser": "root"}, "actorUser"),
    ("asya-operator", {"transports": {"sqs": {"type": "kafka"}}}, "type"),
    ("asya-operator", {"transports": {"sqs": {"type": "sqs", "conf": {}}}}, "conf"),
    ("asya-operator", {"transports": {"sqs": {"type": "sqs", "config": {"regoin": "x"}}}}, "regoin"),
    ("asya-operator", {"transports": {"q": {"type": "rabbitmq", "config": {"queues": {"dql": {}}}}}}, "dql"),
    (
        "asya-operator",
        {"transports": RABBITMQ, "operator": {"transports": {"rabbitmq": {"type": "rabbitmq", "config": {}}}}},
        "transports.rabbitmq and operator.transports.rabbitmq differ",
    ),
    ("asya-operator", {"gatewayURL": "http://a", "operator": {"gatewayURL": "http://b"}}, "differ"),
    ("asya-operator", {"monitoring": {"alerts": True}}, "alerts"),
    ("asya-gateway", {"config": {"sqsRegio": "x"}}, "sqsRegio"),
    ("asya-gateway", {"config": {"rabbitmqURL": "amqp://x/", "sqsEndpoint": "http://x"}}, "sqsEndpoint"),
    ("asya-gateway", {"replicaCount": 2}, "several gateways share a database"),
    ("asya-gateway", {"postgresql": {"enabled": True}, "externalDatabase": {"host": "x"}}, "give one of them"),
    ("asya-gateway", {"auth": {"mode": "maybe"}}, "mode"),
    ("asya-gateway", {"routes": {"tools": [{"name": "no-route"}]}}, "route"),
    ("asya-gateway", {"ingress": {"enabled": True}}, "hosts"),
    ("asya-gateway", {"ingress": {"enabled": True, "hosts": ["asya.example.com"]}}, "hosts"),
    ("asya-gateway", {"ingress": {"enabled": True, "hosts": [{"host": "a", "paths": ["/"]}]}}, "paths"),
    ("asya-gateway", {"ingress": {"tls": [{"secret": "tls"}]}}, "secret"),
    ("asya-crew", {"happy_end": {}}, "happy_end"),
    ("asya-crew", {"happy-end": {"workload": {"kind": "StatefulSet"}}}, "kind"),
    ("asya-actor", {}, "name at least one actor"),
    ("asya-actor", {"name": "a"}, "name its transport"),
    ("asya-actor", {**HELLO, "scaling": {"max": 3}}, "max"),
    ("asya-actor", {**HELLO, "actors": [HELLO]}, "stands beside actors"),
]


@pytest.mark.parametrize(("chart", "case", "values"), GOOD, ids=[f"{each[0]}-{each[1]}" for each in GOOD])
def test_values_that_are_taken(each_helm: Helm, chart: str, case: str, values: dict[str, Any]) -> None:
    linted = each_helm.with_chart("lint", chart, values)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    objects = each_helm.render(chart, **values)
    assert objects
    for pod in pods(objects):
        for container in pod["containers"]:
            names = [entry["name"] for entry in container["env"]]
            assert len(names) == len(set(names))
            assert ("securityContext" in container) == ("securityContext" in pod) == (case != "openshift")


def pods(objects: Objects) -> list[dict[str, Any]]:
    specs = [each["spec"] for each in objects if each["kind"] in {"Deployment", "StatefulSet"}]
    specs += [each["spec"]["workload"] for each in objects if "workload" in each.get("spec", {})]
    return [each["template"]["spec"] for each in specs]


@pytest.mark.parametrize(("chart", "values", "why"), REFUSED, ids=[f"{each[0]}-{each[2]}" for each in REFUSED])
def test_values_that_are_refused(each_helm: Helm, chart: str, values: dict[str, Any], why: str) -> None:
    assert why in each_helm.refuses(chart, **values)


@pytest.mark.parametrize("chart", sorted(path.name for path in CHARTS.iterdir() if path.is_dir()))
def test_a_kubernetes_that_is_too_old_is_refused(each_helm: Helm, chart: str) -> None:
    values = HELLO if chart == "asya-actor" else {}
    assert replace(each_helm, kubernetes="1.29.0").render(chart, **values)
    said = replace(each_helm, kubernetes="1.28.15").refuses(chart, **values)
    assert "requires kubeVersion: >=1.29.0-0 which is incompatible with Kubernetes" in said


def operator_config(objects: Objects) -> dict[str, str]:
    return dict(find(objects, "ConfigMap", "asya-operator-config")["data"])


def test_an_operator_without_values_knows_sqs(newest_helm: Helm) -> None:
    config = operator_config(newest_helm.render("asya-operator"))
    transports = parse_transports(config["transports.json"])
    assert list(transports.by_name) == ["sqs"]
    assert transports.get("sqs").type == "sqs"
    assert "gateway-url" not in config


def test_transports_and_the_gateway_are_read_in_both_places(newest_helm: Helm) -> None:
    sqs = {"sqs": {"type": "sqs", "config": {"region": "eu-central-1"}}}
    nested = {"transports": RABBITMQ, "gatewayURL": "http://gateway"}
    config = operator_config(newest_helm.render("asya-operator", transports=sqs, operator=nested))
    assert json.loads(config["transports.json"])["transports"].keys() == {"rabbitmq", "sqs"}
    assert parse_transports(config["transports.json"]).get("sqs").type == "sqs"
    assert config["gateway-url"] == "http://gateway"


def test_the_operator_reads_what_its_values_say(newest_helm: Helm) -> None:
    values = {
        "controller": {"maxConcurrentReconciles": 50, "queueHealthCheckInterval": "5m", "disableQueueManagement": True},
        "metrics": {"port": 9090},
        "health": {"port": 9091},
        "logLevel": "debug",
        "sidecar": {"image": "registry.example/sidecar:1"},
    }
    objects = newest_helm.render("asya-operator", **values)
    (container,) = find(objects, "Deployment", "asya-operator")["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    settings = read_operator_settings(container["args"], env)
    assert (settings.workers, settings.queue_check_s, settings.manage_queues) == (50, 300, False)
    assert (settings.metrics_addr, settings.probe_addr, settings.log_level) == (":9090", ":9091", "DEBUG")
    assert settings.sidecar_image == "registry.example/sidecar:1"
    assert [port["containerPort"] for port in container["ports"]] == [9090, 9091]


@pytest.mark.parametrize(
    ("values", "user"),
    [({}, 1000), ({"actorUser": 2000}, 2000), ({"actorUser": "cluster"}, 0), ({"actorUser": None}, 1000)],
)
def test_the_user_of_actors_is_a_value_of_the_operator(each_helm: Helm, values: dict[str, Any], user: int) -> None:
    objects = each_helm.render("asya-operator", **values)
    (container,) = find(objects, "Deployment", "asya-operator")["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    assert read_operator_settings([], env).actor_user == user


def gateway_environment(objects: Objects, tmp_path: Path) -> dict[str, str]:
    (container,) = find(objects, "Deployment", "asya-gateway")["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    env |= find(objects, "ConfigMap", "asya-gateway-config")["data"]
    env |= find(objects, "Secret", "asya-gateway-connections").get("stringData") or {}
    if "ASYA_GATEWAY_TOKENS_FILE" in env:
        (tmp_path / "tokens").write_text(find(objects, "Secret", "asya-gateway-tokens")["stringData"]["tokens"])
        env["ASYA_GATEWAY_TOKENS_FILE"] = str(tmp_path / "tokens")
    return env


def test_the_quick_start_s_gateway_values_make_a_gateway_that_starts(newest_helm: Helm, tmp_path: Path) -> None:
    objects = newest_helm.render("asya-gateway", **SEED)
    settings = read_gateway_settings(gateway_environment(objects, tmp_path))
    assert (settings.transport.name, settings.transport.aws_region) == ("sqs", "us-east-1")
    assert settings.database_url == "memory:"
    assert find(objects, "Deployment", "asya-gateway")["spec"]["replicas"] == 1
    tools = parse_tools(sorted(find(objects, "ConfigMap", "asya-gateway-tools")["data"].items()))
    assert tools["hello"].route == ("hello-actor",)
    report = find(objects, "Secret", "asya-gateway-report")["stringData"]["token"]
    scopes = {token.split("|")[0]: token for token in (tmp_path / "tokens").read_text().splitlines()}
    assert scopes[report].endswith("|report")
    service = find(objects, "Service", "asya-gateway")
    assert service["spec"]["ports"][0]["port"] == 80


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({"ingress": WAY_IN}, "https://asya.example.com"),
        ({"ingress": {**WAY_IN, "tls": []}}, "http://asya.example.com"),
        ({"ingress": WAY_IN, "config": {"publicURL": "https://b.example"}}, "https://b.example"),
        ({"ingress": {**WAY_IN, "enabled": False}}, None),
    ],
)
def test_the_gateway_knows_where_callers_from_outside_reach_it(
    newest_helm: Helm, values: dict[str, Any], url: str | None
) -> None:
    config = find(newest_helm.render("asya-gateway", **values), "ConfigMap", "asya-gateway-config")["data"]
    assert config.get("ASYA_GATEWAY_PUBLIC_URL") == url


def test_a_password_in_the_database_s_url_is_written_as_a_url_has_it(newest_helm: Helm, tmp_path: Path) -> None:
    database = {"host": "db.example", "password": "a b/c@d+e%"}
    objects = newest_helm.render("asya-gateway", externalDatabase=database)
    settings = read_gateway_settings(gateway_environment(objects, tmp_path))
    assert settings.database_url == "postgresql://asya:a%20b%2Fc%40d%2Be%25@db.example:5432/asya_gateway"
    assert find(objects, "Deployment", "asya-gateway")["spec"]["replicas"] == 2


def test_a_password_that_a_secret_holds_is_not_written_anywhere(newest_helm: Helm, tmp_path: Path) -> None:
    database = {"host": "db.example", "password": "unused", "existingSecret": "db", "existingSecretKey": "pw"}
    objects = newest_helm.render("asya-gateway", externalDatabase=database)
    assert "unused" not in json.dumps(objects)
    (container,) = find(objects, "Deployment", "asya-gateway")["spec"]["template"]["spec"]["containers"]
    (password,) = (entry for entry in container["env"] if entry["name"] == "PGPASSWORD")
    assert password["valueFrom"]["secretKeyRef"] == {"name": "db", "key": "pw"}


def test_a_prometheus_operator_is_given_what_its_own_labels_choose(newest_helm: Helm) -> None:
    watched = {"enabled": True, "labels": {"release": "prometheus"}}
    made = newest_helm.render("asya-operator", monitoring=watched) + newest_helm.render(
        "asya-gateway", monitoring=watched
    )
    chosen = {
        (each["kind"], each["metadata"]["name"])
        for each in made
        if each["metadata"].get("labels", {}).get("release") == "prometheus"
    }
    assert chosen == {
        ("PodMonitor", "asya-operator"),
        ("PrometheusRule", "asya-operator"),
        ("PodMonitor", "asya-gateway"),
    }
    (container,) = find(made, "Deployment", "asya-operator")["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    assert read_operator_settings([], env).monitor_labels == (("release", "prometheus"),)
    summaries = [
        rule["annotations"]["summary"]
        for group in find(made, "PrometheusRule", "asya-operator")["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert any("{{ $labels.queue }}" in summary for summary in summaries)


def test_the_gateway_s_monitor_reads_with_a_token_for_metrics(newest_helm: Helm) -> None:
    def token(**values: Any) -> tuple[str, str]:
        made = newest_helm.render("asya-gateway", **values)
        (endpoint,) = find(made, "PodMonitor", "asya-gateway")["spec"]["podMetricsEndpoints"]
        secret = endpoint["authorization"]["credentials"]
        return secret["name"], secret["key"]

    assert token(monitoring={"enabled": True}) == ("asya-gateway-tokens", "metrics")
    assert token(monitoring={"enabled": True, "tokenSecret": "mine"}) == ("mine", "token")


def test_the_crew_s_container_is_changed_as_in_asya_0_1_1(newest_helm: Helm) -> None:
    env = [{"name": "ASYA_HANDLER", "value": "mine.end"}, {"name": "MORE", "value": "1"}]
    container = {"name": "asya-runtime", "image": "mine:1", "imagePullPolicy": "Always", "env": env, "resources": {}}
    workload = {"kind": "Deployment", "template": {"spec": {"containers": [container]}}}
    objects = newest_helm.render("asya-crew", **{"happy-end": {"workload": workload}, "fan-in": {"enabled": False}})
    assert [each["metadata"]["name"] for each in objects] == ["error-end", "happy-end"]
    (made,) = find(objects, "AsyncActor", "happy-end")["spec"]["workload"]["template"]["spec"]["containers"]
    assert (made["image"], made["imagePullPolicy"]) == ("mine:1", "Always")
    assert made["env"][-2:] == env
    assert [entry["name"] for entry in made["env"]].count("ASYA_HANDLER") == 1


def test_an_actor_s_own_values_go_before_the_defaults(newest_helm: Helm) -> None:
    default = {"transport": "rabbitmq", "scaling": {"enabled": True, "maxReplicas": 7}}
    actors = [
        {"name": "a", "handler": "a.b", "image": "a:1", "scaling": {"maxReplicas": 3}},
        {"name": "b", "namespace": "other"},
    ]
    first, second = newest_helm.render("asya-actor", default=default, actors=actors)
    assert (first["metadata"]["namespace"], second["metadata"]["namespace"]) == (NAMESPACE, "other")
    assert (first["spec"]["transport"], first["spec"]["scaling"]["maxReplicas"]) == ("rabbitmq", 3)
    assert second["spec"]["scaling"]["maxReplicas"] == 7


def test_two_releases_in_one_namespace_do_not_take_one_another_s_pods(newest_helm: Helm) -> None:
    done = newest_helm.run("template", "second", str(CHARTS / "asya-gateway"), "--kube-version", "1.35.0")
    assert done.returncode == 0, done.stderr
    objects = [each for each in yaml.safe_load_all(done.stdout) if each]
    selector = find(objects, "Service", "second-asya-gateway")["spec"]["selector"]
    assert selector == {"app.kubernetes.io/name": "asya-gateway", "app.kubernetes.io/instance": "second"}


def test_an_operator_of_some_namespaces_has_its_rights_there_alone(newest_helm: Helm) -> None:
    made = newest_helm.render("asya-operator", watchNamespaces=["team-a", "team-b"], operatorClass="blue")
    assert [each for each in made if each["kind"] == "ClusterRoleBinding"] == []
    bindings = {
        (each["metadata"]["namespace"], each["roleRef"]["kind"], each["roleRef"]["name"])
        for each in made
        if each["kind"] == "RoleBinding" and not each["metadata"]["name"].endswith(("leader-election", "-secrets"))
    }
    assert bindings == {(team, "ClusterRole", "asya-operator") for team in ("team-a", "team-b")}
    assert find(made, "Role", "asya-operator-secrets")["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    ]
    (container,) = find(made, "Deployment", "asya-operator")["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert (env["ASYA_WATCH_NAMESPACES"], env["ASYA_OPERATOR_CLASS"]) == ("team-a,team-b", "blue")


def test_one_operator_of_a_cluster_makes_the_roles_for_people(newest_helm: Helm) -> None:
    roles = {each["metadata"]["name"] for each in newest_helm.render("asya-operator") if each["kind"] == "ClusterRole"}
    assert {"asya-view", "asya-edit"} <= roles
    without = newest_helm.render("asya-operator", rbac={"roles": False})
    assert {each["metadata"]["name"] for each in without if each["kind"] == "ClusterRole"} == {"asya-operator"}
    assert "operatorClass" in newest_helm.refuses("asya-operator", operatorClass="Blue")
