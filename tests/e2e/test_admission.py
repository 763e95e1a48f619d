"""The actor policy as Kubernetes itself enforces it: the same cases that the operator's own policy refuses and lets in."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from asya_operator.specs.admission_policy import NAME, admission_policy
from tests.support.actors import actor
from tests.support.cluster import Cluster, eventually
from tests.support.policy_cases import ALLOWED, REFUSED
from tests.support.rendered import with_pod

TAKES_EFFECT_S = 60.0


@pytest.fixture(scope="module")
def policed(cluster: Cluster, rabbit: str) -> Iterator[str]:
    """A namespace, while the policy is in force."""
    cluster.apply(*admission_policy())
    first, _ = REFUSED[0]
    eventually(lambda: tried(cluster, rabbit, first), lambda said: NAME in said, TAKES_EFFECT_S, "the policy to apply")
    yield rabbit
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        cluster.kubectl("delete", kind, NAME)


def tried(cluster: Cluster, namespace: str, pod: dict[str, Any]) -> str:
    """What the API server says to an actor with such a pod; nothing is made."""
    manifest = actor("hello-actor", "rabbitmq", workload=with_pod(pod, {"image": "python:3.13-slim"}))
    argv = ("create", "--namespace", namespace, "--dry-run=server", "-f", "-")
    return cluster.kubectl(*argv, stdin=yaml.safe_dump(manifest), check=False)


@pytest.mark.parametrize(("pod", "where"), REFUSED)
def test_kubernetes_refuses_what_the_operator_refuses(
    cluster: Cluster, policed: str, pod: dict[str, Any], where: str
) -> None:
    assert f"ValidatingAdmissionPolicy '{NAME}'" in tried(cluster, policed, pod), where


@pytest.mark.parametrize("pod", ALLOWED)
def test_kubernetes_lets_in_what_the_operator_lets_in(cluster: Cluster, policed: str, pod: dict[str, Any]) -> None:
    assert "hello-actor created" in tried(cluster, policed, pod)


def test_kubernetes_refuses_what_is_the_meshs_to_set(cluster: Cluster, policed: str) -> None:
    env = [{"name": "ASYA_ACTOR_NAME", "value": "another"}]
    manifest = actor("hello-actor", "rabbitmq", sidecar={"env": env})
    argv = ("create", "--namespace", policed, "--dry-run=server", "-f", "-")
    said = cluster.kubectl(*argv, stdin=yaml.safe_dump(manifest), check=False)
    assert "spec.sidecar.env sets what is the mesh's to set" in said
