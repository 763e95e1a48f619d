"""The operator's transports: what is accepted, what stands for what, and what each refusal says."""

import json
from typing import Any

import pytest

from asya_operator.queues import admin_settings
from asya_operator.transport_config import (
    InvalidTransportConfig,
    RabbitMqConfig,
    SecretRef,
    SqsConfig,
    TransportRefused,
    Transports,
    parse_transports,
)


def read(kind: str, config: dict[str, Any], name: str = "main", **entry: Any) -> Transports:
    return parse_transports(
        json.dumps({"transports": {name: {"type": kind, "enabled": True, "config": config, **entry}}})
    )


def rabbitmq(**config: Any) -> RabbitMqConfig:
    found = read("rabbitmq", {"host": "rabbit", **config}).get("main").config
    assert isinstance(found, RabbitMqConfig)
    return found


def sqs(**config: Any) -> SqsConfig:
    found = read("sqs", config).get("main").config
    assert isinstance(found, SqsConfig)
    return found


def refusal(document: object) -> str:
    with pytest.raises(InvalidTransportConfig) as caught:
        parse_transports(json.dumps(document))
    return str(caught.value)


def test_every_field_of_the_original_is_read():
    """Both types whole, as a chart writes them."""
    ref = {"name": "s", "key": "k", "optional": True}
    queues = {
        "autoCreate": True,
        "forceRecreate": True,
        "dlq": {"enabled": True, "maxRetryCount": 5, "retentionDays": 2},
    }
    rabbit = rabbitmq(port=5673, username="u", passwordSecretRef=ref, exchange="e", queues=queues)
    assert (rabbit.host, rabbit.port, rabbit.username, rabbit.exchange) == ("rabbit", 5673, "u", "e")
    assert rabbit.password_secret_ref == SecretRef(name="s", key="k", optional=True)
    assert (rabbit.queues.auto_create, rabbit.queues.force_recreate) == (True, True)
    assert (rabbit.queues.dlq.enabled, rabbit.queues.dlq.max_retry_count, rabbit.queues.dlq.retention_days) == (
        True,
        5,
        2,
    )
    found = sqs(
        region="eu-west-1",
        actorRoleArn="arn:aws:iam::1:role/x",
        accountId="1",
        endpoint="http://localstack:4566",
        visibilityTimeout=120,
        waitTimeSeconds=10,
        credentials={"accessKeyIdSecretRef": ref, "secretAccessKeySecretRef": ref},
        tags={"team": "x"},
        queues=queues,
    )
    assert (found.region, found.account_id, found.visibility_timeout) == ("eu-west-1", "1", 120)
    assert (found.wait_time_seconds, found.tags) == (10, {"team": "x"})


def test_what_is_absent_zero_or_empty_stands_for_the_default():
    """Go knows no difference between them, so neither do configurations that were written for it."""
    for config in (rabbitmq(), rabbitmq(port=0, username="", vhost="", managementPort=0), rabbitmq(port=None)):
        assert (config.port, config.username, config.vhost, config.tls) == (5672, "guest", "/", False)
        assert config.management == "http://rabbit:15672"
    dlq = rabbitmq(queues={"dlq": {"maxRetryCount": 0, "retentionDays": 0}}).queues.dlq
    assert (dlq.enabled, dlq.max_retry_count, dlq.retention_days) == (False, 3, 14)


def test_queues_are_made_unless_a_queues_object_does_not_ask_for_it():
    """Asya 0.1.1's rule: the object's absence means yes, its silence means no."""
    assert rabbitmq().queues.auto_create is True
    assert rabbitmq(queues=None).queues.auto_create is True
    assert sqs(queues={}).queues.auto_create is False
    assert sqs(queues={"dlq": {"enabled": True}}).queues.auto_create is False


def test_a_transport_may_be_named_otherwise_than_its_type():
    """Asya 0.1.1 found only those whose name was their type."""
    found = read("rabbitmq", {"host": "rabbit"}, name="blue").get("blue")
    assert (found.name, found.type) == ("blue", "rabbitmq")


def test_a_transport_that_is_unknown_or_disabled_or_leads_nowhere_is_refused():
    """The first two are Asya 0.1.1's texts."""
    transports = parse_transports(
        '{"transports": {"off": {"type": "sqs", "enabled": false}, "empty": {"type": "rabbitmq", "enabled": true}}}'
    )
    for name, text in (
        ("none", "transport 'none' not found in operator configuration"),
        ("off", "transport 'off' is disabled in operator configuration"),
        ("empty", "transport 'empty' has no host in operator configuration"),
    ):
        with pytest.raises(TransportRefused) as caught:
            transports.get(name)
        assert str(caught.value) == text


def test_a_transport_is_off_unless_it_is_enabled():
    """As in Asya 0.1.1, whose false is Go's zero."""
    with pytest.raises(TransportRefused, match="is disabled"):
        parse_transports('{"transports": {"sqs": {"type": "sqs"}}}').get("sqs")


def test_nothing_and_null_know_no_transport():
    """An operator without configuration starts; actors are told."""
    for text in ("", "  ", "{}", '{"transports": null}'):
        assert parse_transports(text) == Transports()


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"transport": {}}, "transport: unknown field; did you mean 'transports'?"),
        (
            {"transports": {"x": {"type": "sqs", "enable": True}}},
            "transports.x.enable: unknown field; did you mean 'enabled'?",
        ),
        (
            {"transports": {"x": {"type": "sqs", "config": {"regoin": "a"}}}},
            "transports.x.config.regoin: unknown field; did you mean 'region'?",
        ),
        (
            {"transports": {"x": {"type": "rabbitmq", "config": {"queues": {"dlq": {"enable": True}}}}}},
            "transports.x.config.queues.dlq.enable: unknown field; did you mean 'enabled'?",
        ),
        ({"transports": {"x": {"type": "kafka"}}}, "transports.x: unsupported transport type: kafka"),
        ({"transports": {"x": {"enabled": True}}}, "transports.x.type: required field is missing"),
    ],
)
def test_a_field_that_nobody_reads_is_an_error_that_names_it(document: object, text: str):
    """At every level, in disabled transports too."""
    assert refusal(document) == text


def test_text_that_is_no_json_is_refused():
    """With the place, for whoever wrote it by hand."""
    with pytest.raises(InvalidTransportConfig, match=r"not JSON: .*line 1 column 2"):
        parse_transports("{")


def test_secrets_are_listed_in_the_order_in_which_they_are_read():
    """The password; or the key's id and the key."""
    first: dict[str, Any] = {"name": "a", "key": "id"}
    second: dict[str, Any] = {"name": "a", "key": "secret"}
    keys = {"accessKeyIdSecretRef": first, "secretAccessKeySecretRef": second}
    assert read("sqs", {"credentials": keys}).get("main").secrets == (SecretRef(**first), SecretRef(**second))
    assert read("rabbitmq", {"host": "r", "passwordSecretRef": first}).get("main").secrets == (SecretRef(**first),)
    assert read("sqs", {}).get("main").secrets == ()


def test_the_management_api_is_found_by_port_by_tls_or_by_its_own_url():
    """KEDA's URL has the virtual host as its last part, escaped."""
    assert rabbitmq(tls=True, managementPort=15671).management == "https://rabbit:15671"
    own = rabbitmq(managementUrl="http://api/rmq/", passwordSecretRef={"name": "s", "key": "k"})
    assert (own.management, own.scaler_host) == ("http://api/rmq", "http://api/rmq/%2F")
    assert rabbitmq(vhost="a/b").scaler_host == "http://guest:guest@rabbit:15672/a%2Fb"


def test_the_url_of_a_queue_is_made_without_asking_anybody():
    """A stand-in for AWS has one account; AWS needs to be told whose."""
    assert sqs(region="eu-west-1", accountId="1").queue_url("asya-x") == "https://sqs.eu-west-1.amazonaws.com/1/asya-x"
    assert sqs(endpoint="http://local:4566/").queue_url("asya-x") == "http://local:4566/000000000000/asya-x"
    with pytest.raises(TransportRefused, match="needs region and accountId"):
        sqs(region="eu-west-1").queue_url("asya-x")


def test_the_user_name_comes_from_a_secret_or_is_given():
    """A rotated user is a new secret, and no manifest changes."""
    name: dict[str, Any] = {"name": "rabbit", "key": "username"}
    password: dict[str, Any] = {"name": "rabbit", "key": "password"}
    found = read("rabbitmq", {"host": "r", "usernameSecretRef": name, "passwordSecretRef": password}).get("main")
    assert found.secrets == (SecretRef(**password), SecretRef(**name))
    assert "u%2F:p@" in admin_settings(found, ["p", "u/"]).rabbitmq_url
    for config, text in (
        ({"usernameSecretRef": name}, "usernameSecretRef: passwordSecretRef is missing"),
        (
            {"usernameSecretRef": name, "passwordSecretRef": password, "username": "u"},
            "usernameSecretRef: username is given too; set one of them",
        ),
    ):
        document = {"transports": {"x": {"type": "rabbitmq", "config": config}}}
        assert refusal(document) == f"transports.x.config.{text}"


def test_a_transport_of_some_namespaces_is_refused_to_actors_of_others():
    found = read("rabbitmq", {"host": "rabbit"}, namespaces=["team-a", "team-b"])
    assert found.get("main", "team-a").name == found.get("main").name == "main"
    with pytest.raises(TransportRefused, match="transport 'main' is not for namespace team-c"):
        found.get("main", "team-c")
    assert read("rabbitmq", {"host": "rabbit"}).get("main", "team-c").namespaces == ()
