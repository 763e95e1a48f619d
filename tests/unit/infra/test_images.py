"""Where images come from under mocks: one registry, every image a setting, pods that pull with credentials, ECR."""

import json
from typing import Any

import pytest

from asya_aws import ImageRegistry
from asya_infra.errors import ConfigError
from asya_infra.guardrails import pinned_images
from asya_infra.installation import PULL_SECRET
from asya_infra.upstream import read_upstream
from tests.support.pulumi_program import Run, run_environment, run_program

pytestmark = pytest.mark.unit

WORKLOADS = ("kubernetes:apps/v1:Deployment", "kubernetes:apps/v1:StatefulSet")
ALL: dict[str, Any] = {
    "registry": "mirror.example/asya",
    "gatewayImage": "mirror.example/asya/asya-gateway:0.2.0",
    "gatewayTokens": "caller-token",
    "monitoring": "true",
    "images": {
        name: f"mirror.example/{name}:1"
        for name in (
            *("rabbitmq", "postgres", "seaweedfs", "prometheus", "grafana"),
            *("postgres-exporter", "opentelemetry-collector"),
        )
    },
    "collector": "http://tempo.example:4318",
}


def pods(seen: Run) -> dict[str, Any]:
    made = {each.name: each.inputs["spec"]["template"]["spec"] for kind in WORKLOADS for each in seen.of_type(kind)}
    actors = seen.of_type("kubernetes:asya.sh/v1alpha1:AsyncActor")
    return made | {each.name: each.inputs["spec"]["workload"]["template"]["spec"] for each in actors}


def test_every_image_of_a_stack_is_a_setting() -> None:
    seen = run_environment("oss", manifests=None, **ALL)
    images = {container["image"] for pod in pods(seen).values() for container in pod["containers"]}
    assert len(images) >= 10
    assert {image for image in images if not image.startswith("mirror.example/")} == set()


def test_images_by_digest_with_the_tag_beside_it_are_taken_as_they_are() -> None:
    """As `make publish STACK=` writes them."""
    rooms = ("operator", "sidecar", "crew", "gateway")
    images = {room: f"mirror.example:5000/asya-{room}:0.2.0@sha256:{place:064}" for place, room in enumerate(rooms)}
    given: dict[str, Any] = {f"{room}Image": image for room, image in images.items()}
    seen = run_environment("aws", keda="installed", gatewayTokens="t", password="good-enough", **given)
    containers = [each for pod in pods(seen).values() for each in pod["containers"]]
    assert {images["operator"], images["crew"], images["gateway"]} <= {each["image"] for each in containers}
    told = [env for each in containers for env in each.get("env", ()) if env["name"] == "ASYA_SIDECAR_IMAGE"]
    assert [env["value"] for env in told] == [images["sidecar"]]
    for each in seen.of_type("kubernetes:apps/v1:Deployment"):
        assert list(pinned_images(each.type, each.inputs)) == []


def test_keda_s_images_too(tmp_path: Any) -> None:
    container = {"name": "k", "image": "ghcr.io/kedacore/keda:2.21.0"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "keda-operator", "namespace": "keda"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    path = tmp_path / "keda.json"
    path.write_text(json.dumps(deployment), encoding="utf-8")
    assert read_upstream("asya:keda", str(path))
    seen = run_environment("oss", keda=str(path), images={"keda": "mirror.example/keda:1"})
    made = seen.one("kubernetes:apps/v1:Deployment", "mesh-keda-deployment-keda-keda-operator").inputs
    assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "mirror.example/keda:1"


def test_all_pods_pull_with_the_credentials_that_were_given() -> None:
    auth = '{"auths": {"mirror.example": {"auth": "aGlkZGVu"}}}'
    seen = run_environment("oss", registryAuth=auth, **ALL)
    lacking = {name for name, pod in pods(seen).items() if {"name": PULL_SECRET} not in pod.get("imagePullSecrets", [])}
    assert lacking == set()
    secrets = [
        each for each in seen.of_type("kubernetes:core/v1:Secret") if each.inputs["metadata"]["name"] == PULL_SECRET
    ]
    assert {each.inputs["metadata"]["namespace"] for each in secrets} == {
        "asya",
        "asya-system",
        "asya-rabbitmq",
        "asya-postgres",
        "asya-store-server",
    }
    assert all(each.inputs["type"] == "kubernetes.io/dockerconfigjson" for each in secrets)
    assert all("stringData" in each.secrets for each in secrets)
    assert not any("imagePullSecrets" in pod for pod in pods(run_environment("oss", **ALL)).values())


def test_an_image_that_nobody_asks_for_is_refused() -> None:
    with pytest.raises(ConfigError, match="asya:images: 'postgress' is none of rabbitmq, postgres, "):
        run_environment("oss", images={"postgress": "x:1"})


def test_repositories_keep_what_a_tag_means() -> None:
    seen = run_program(lambda: ImageRegistry("asya", actors=["ocr"]))
    made = seen.of_type("aws:ecr/repository:Repository")
    assert {each.inputs["name"] for each in made} == {
        "asya/asya-operator",
        "asya/asya-sidecar",
        "asya/asya-crew",
        "asya/asya-gateway",
        "asya/ocr",
    }
    assert {each.inputs["imageTagMutability"] for each in made} == {"IMMUTABLE"}
    assert all(each.inputs["imageScanningConfiguration"] == {"scanOnPush": True} for each in made)
    policies = seen.of_type("aws:ecr/lifecyclePolicy:LifecyclePolicy")
    kept = {len(json.loads(each.inputs["policy"])["rules"]) for each in policies}
    assert kept == {2} and len(policies) == len(made)


def test_other_projects_images_are_kept_in_the_account() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ecr-pullthroughcache/hub"
    caches = {"quay": "quay.io", "hub": "registry-1.docker.io"}
    seen = run_program(lambda: ImageRegistry("asya", caches=caches, credentials={"hub": arn}))
    rules = {
        each.inputs["ecrRepositoryPrefix"]: (each.inputs["upstreamRegistryUrl"], each.inputs.get("credentialArn"))
        for each in seen.of_type("aws:ecr/pullThroughCacheRule:PullThroughCacheRule")
    }
    assert rules == {"asya-cache/quay": ("quay.io", None), "asya-cache/hub": ("registry-1.docker.io", arn)}
    stack = run_environment("aws", keda="installed")
    (policy,) = [
        e.inputs["policy"] for e in stack.of_type("aws:iam/rolePolicy:RolePolicy") if e.name == "asya-aws-node"
    ]
    (statement,) = json.loads(policy)["Statement"]
    assert statement["Resource"] == ["arn:aws:ecr:eu-central-1:123456789012:repository/asya-cache/*"]
