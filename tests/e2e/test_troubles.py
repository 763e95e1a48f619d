"""What a real kubelet and scheduler say of a pod in trouble leads to the status that names it, and mends itself."""

from typing import Any

import pytest

from tests.support.actors import actor, handler
from tests.support.cluster import Cluster, eventually
from tests.support.installed import wait_for_status

ECHO = "def process(payload):\n    return payload\n"
OFF = {"enabled": False}


def _changed(
    name: str, *, container: dict[str, Any] | None = None, pod: dict[str, Any] | None = None, **spec: Any
) -> Any:
    made = actor(name, "rabbitmq", scaling=OFF, **spec)
    template = made["spec"]["workload"]["template"]["spec"]
    template["containers"][0] |= container or {}
    template |= pod or {}
    return made


TROUBLES: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "no-such-image",
        _changed("no-such-image", container={"image": "localhost/nothing:none"}),
        "ImagePullError",
        "localhost/nothing:none",
    ),
    (
        "no-such-secret",
        _changed(
            "no-such-secret",
            container={"envFrom": [{"secretRef": {"name": "nowhere"}}]},
        ),
        "ConfigError",
        'secret "nowhere" not found',
    ),
    (
        "too-large",
        _changed("too-large", container={"resources": {"requests": {"cpu": "900"}}}),
        "PendingResources",
        "Insufficient cpu",
    ),
    (
        "no-gpu",
        _changed("no-gpu", container={"resources": {"limits": {"nvidia.com/gpu": "1"}}}),
        "PendingResources",
        "Insufficient nvidia.com/gpu",
    ),
    (
        "no-such-claim",
        _changed(
            "no-such-claim",
            pod={"volumes": [{"name": "handler", "persistentVolumeClaim": {"claimName": "nowhere"}}]},
        ),
        "VolumeError",
        'persistentvolumeclaim "nowhere" not found',
    ),
    (
        "sidecar-gone",
        _changed("sidecar-gone", sidecar={"image": "localhost/asya-operator:dev"}),
        "SidecarError",
        "asya-sidecar",
    ),
]


@pytest.fixture(scope="module")
def troubled(cluster: Cluster, rabbit: str) -> str:
    """All actors in trouble at once; the waits overlap."""
    objects = [each for name, declared, *_ in TROUBLES for each in (handler(name, ECHO), declared)]
    cluster.apply(*objects, namespace=rabbit)
    return rabbit


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [(name, status, text) for name, _, status, text in TROUBLES],
    ids=[t[0] for t in TROUBLES],
)
def test_a_pod_in_trouble_gives_its_actor_the_status_that_names_it(
    cluster: Cluster, troubled: str, name: str, status: str, text: str
) -> None:
    shown = eventually(
        lambda: cluster.status(name, troubled),
        lambda found: found.get("status") == status and any(text in each["message"] for each in found["conditions"]),
        240,
        f"status of {name} to be {status} with {text!r}",
    )
    [condition] = [each for each in shown["conditions"] if each["type"] == "WorkloadReady"]
    assert (condition["status"], condition["reason"]) == ("False", "PodsNotHealthy")
    assert text in condition["message"]


def test_an_actor_whose_trouble_is_mended_runs_without_further_help(cluster: Cluster, troubled: str) -> None:
    wait_for_status(cluster, "no-such-secret", troubled, "ConfigError")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "nowhere"}, "stringData": {"A": "b"}}
    cluster.apply(secret, namespace=troubled)
    wait_for_status(cluster, "no-such-secret", troubled, "Running")
    cluster.apply(_changed("no-such-image"), namespace=troubled)
    wait_for_status(cluster, "no-such-image", troubled, "Running")
