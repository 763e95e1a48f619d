"""Who decides about a workload's replicas: KEDA where an actor scales, and nobody starts a pod only to end it again."""

from typing import Any

from asya_manifest.actor import parse_actor
from asya_operator.specs.workload import at_first, holds_replicas, replicas_alone
from tests.support.actors import FAST_SCALING, actor

WORKLOAD: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "a", "namespace": "n", "labels": {"x": "y"}},
    "spec": {"selector": {}, "template": {}},
}


def test_a_workload_starts_with_the_least_that_it_may_have() -> None:
    for least in (0, 3):
        parsed = parse_actor(actor("a", "sqs", scaling={**FAST_SCALING, "minReplicas": least, "maxReplicas": 5}))
        assert at_first(WORKLOAD, parsed)["spec"] == {"selector": {}, "template": {}, "replicas": least}
    assert "replicas" not in WORKLOAD["spec"]


def test_a_second_manager_wishes_the_replicas_and_nothing_else() -> None:
    whole = {**WORKLOAD, "spec": {**WORKLOAD["spec"], "replicas": 7}}
    assert replicas_alone(whole) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": "n"},
        "spec": {"replicas": 7},
    }


def test_managed_fields_tell_whose_wish_the_replicas_are() -> None:
    fields = [
        {"manager": "one", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "two", "fieldsV1": {"f:spec": {"f:template": {}}}},
        {"manager": "three"},
    ]
    present = {**WORKLOAD, "metadata": {**WORKLOAD["metadata"], "managedFields": fields}}
    assert [holds_replicas(present, name) for name in ("one", "two", "three", "four")] == [True, False, False, False]
    assert not holds_replicas(WORKLOAD, "one")
