"""What an AsyncActor may ask of a cluster, and what making actors without end costs the operator."""

from typing import Any

import pytest

from asya_kube import resources
from asya_manifest.errors import InvalidActor
from asya_operator.settings import read_settings
from asya_operator.specs.render import render
from asya_operator.world import World
from asya_protocol.errors import SettingsError
from tests.support.policy_cases import ALLOWED, REFUSED
from tests.support.rendered import UID, actor, context, with_pod


@pytest.mark.parametrize(("pod", "where"), REFUSED)
def test_cluster_2_and_5_an_actor_reaches_neither_its_node_nor_anothers_account(
    pod: dict[str, Any], where: str
) -> None:
    declared = actor(workload=with_pod(pod))
    with pytest.raises(InvalidActor) as refused:
        render(declared, UID, context())
    assert where in str(refused.value)
    assert "ASYA_ACTOR_POLICY=off" in str(refused.value)
    assert render(declared, UID, context(restricted=False))


@pytest.mark.parametrize("pod", ALLOWED)
def test_cluster_2_what_pod_security_baseline_lets_in_is_let_in(pod: dict[str, Any]) -> None:
    assert render(actor(workload=with_pod(pod)), UID, context())


@pytest.mark.parametrize("name", ["ASYA_ACTOR_NAME", "ASYA_QUEUE_PREFIX", "ASYA_TRANSPORT", "ASYA_IS_END_ACTOR"])
def test_cluster_7_the_meshs_wiring_is_not_the_actors(name: str) -> None:
    declared = actor(sidecar={"env": [{"name": name, "value": "other"}]})
    with pytest.raises(InvalidActor, match=f"{name} is the mesh's to set"):
        render(declared, UID, context())
    assert render(actor(sidecar={"env": [{"name": "ASYA_LOG_LEVEL", "value": "debug"}]}), UID, context())


def test_cluster_2_the_policy_is_on_unless_it_is_turned_off() -> None:
    assert read_settings([], {}).restricted
    assert not read_settings([], {"ASYA_ACTOR_POLICY": "off"}).restricted
    with pytest.raises(SettingsError):
        read_settings([], {"ASYA_ACTOR_POLICY": "of"})


def test_cluster_11_actors_that_are_gone_are_forgotten() -> None:
    world = World()
    for number in range(100):
        body = {"metadata": {"namespace": "team", "name": f"a{number}", "uid": str(number)}, "spec": {"transport": "r"}}
        moved = {**body, "spec": {"transport": "s"}}
        for event, seen in (("ADDED", body), ("MODIFIED", moved), ("DELETED", moved)):
            world.note(resources.ACTOR, event, seen)
    assert not world._by_queue
