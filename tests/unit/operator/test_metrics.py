"""What the operator shows of actors and queues, by actor."""

from asya_operator.metric_table import TABLE
from asya_operator.metrics import PREFIX, Metrics
from asya_transport.port import Depth

OCR = (
    ("team", "ocr"),
    {
        "spec": {"scaling": {"enabled": True, "maxReplicas": 7}},
        "status": {
            "status": "Degraded",
            "readyReplicas": 1,
            "desiredReplicas": 3,
            "conditions": [{"type": "Ready", "status": "False"}, {"type": "ScalingReady", "status": "Unknown"}],
        },
    },
)


def test_an_actor_has_its_status_conditions_and_replicas() -> None:
    metrics = Metrics()
    keda = {"status": {"conditions": [{"type": "Fallback", "status": "True"}]}}
    metrics.show_actors([OCR, (("team", "new"), {"spec": {}})], lambda key: keda if key == ("team", "ocr") else None)
    text = metrics.render().decode()
    for line in (
        'asya_operator_actor_status{actor_namespace="team",queue="ocr",status="Degraded"} 1.0',
        'asya_operator_actor_condition{actor_namespace="team",condition="Ready",queue="ocr"} 0.0',
        'asya_operator_actor_replicas{actor_namespace="team",kind="max",queue="ocr"} 7.0',
        'asya_operator_actor_replicas{actor_namespace="team",kind="desired",queue="ocr"} 3.0',
        'asya_operator_actors_by_ready{ready="Unknown"} 1.0',
        'asya_operator_actors{status="New"} 1.0',
        'asya_operator_actor_condition{actor_namespace="team",condition="Fallback",queue="ocr"} 1.0',
    ):
        assert line in text
    assert 'condition="ScalingReady"' not in text
    metrics.show_actors([], lambda _key: None)
    assert 'queue="ocr"' not in metrics.render().decode(), "an actor that is gone leaves"


def test_an_actor_tells_the_gpus_of_a_replica_where_it_has_some() -> None:
    containers = [
        {"name": "asya-runtime", "resources": {"limits": {"nvidia.com/gpu": 2, "cpu": "1"}}},
        {"name": "beside", "resources": {"limits": {"nvidia.com/gpu": "1"}}},
        {"name": "without"},
    ]
    spec = {"workload": {"template": {"spec": {"containers": containers}}}}
    metrics = Metrics()
    metrics.show_actors([(("team", "llm"), {"spec": spec}), (("team", "short"), {"spec": {}})], lambda _key: None)
    text = metrics.render().decode()
    assert 'asya_operator_actor_replica_gpus{actor_namespace="team",queue="llm"} 3.0' in text
    assert 'actor_replica_gpus{actor_namespace="team",queue="short"}' not in text


def test_queues_and_dead_letters_are_shown_by_actor() -> None:
    metrics = Metrics()
    metrics.show_queues([(("team", "ocr"), Depth(5, 2, 1))], [(("team", "ocr"), Depth(3))])
    text = metrics.render().decode()
    assert 'asya_operator_queue_envelopes{actor_namespace="team",queue="ocr",state="in_flight"} 2.0' in text
    assert 'asya_operator_dead_letters{actor_namespace="team",queue="ocr"} 3.0' in text


def test_rounds_alarms_and_requests_are_told_of_each_broker() -> None:
    metrics = Metrics()
    metrics.count_rounds({"sqs": True, "rabbitmq": False})
    metrics.show_alarms({"rabbitmq": ["memory"]})
    metrics.count_requests({"GetQueueAttributes": 7})
    metrics.observe_call("patch", "deployments", 409, 0.2)
    metrics.observe_call("get", "pods", 0, 0.2)
    text = metrics.render().decode()
    for line in (
        'asya_operator_queue_rounds_total{result="ok",transport="sqs"} 1.0',
        'asya_operator_queue_rounds_total{result="error",transport="rabbitmq"} 1.0',
        'asya_operator_broker_away{transport="rabbitmq"} 1.0',
        'asya_operator_broker_away{transport="sqs"} 0.0',
        'asya_operator_broker_alarm{alarm="memory",transport="rabbitmq"} 1.0',
        'asya_operator_broker_requests_total{call="GetQueueAttributes"} 7.0',
        'asya_operator_api_requests_total{code="409",resource="deployments",verb="patch"} 1.0',
        'asya_operator_api_requests_total{code="none",resource="pods",verb="get"} 1.0',
    ):
        assert line in text
    metrics.count_rounds({"sqs": True})
    assert 'broker_away{transport="rabbitmq"}' not in metrics.render().decode(), "a transport that nobody uses leaves"


def test_every_metric_of_the_table_is_shown_and_no_other() -> None:
    shown = {family.name for family in Metrics().registry.collect()}
    assert shown == {f"{PREFIX}_{each.name}".removesuffix("_total") for each in TABLE}
