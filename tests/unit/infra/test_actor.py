"""AsyncActor: the manifest that comes of its arguments, and what is registered for it."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pulumi
import pytest
from pydantic.alias_generators import to_snake

from asya_infra import (
    AsyncActor,
    Batch,
    ConfigError,
    Dedup,
    Delivery,
    McpTool,
    Retry,
    Scaling,
    Sidecar,
    Timeout,
    actor_args,
)
from asya_infra.cluster_target import with_service_account
from asya_manifest import policies as model
from tests.support.pulumi_program import Run, on_a_cluster, run_program

pytestmark = pytest.mark.unit


def declare(preview: bool = False, mesh: dict[str, Any] | None = None, **arguments: Any) -> tuple[Run, AsyncActor]:
    made: list[AsyncActor] = []
    run = run_program(
        lambda: made.append(AsyncActor("ocr", mesh=on_a_cluster(**(mesh or {})), **arguments)), preview=preview
    )
    return run, made[0]


KIND = "kubernetes:asya.sh/v1alpha1:AsyncActor"
WAIT = "pulumi-python:dynamic:Resource"


def test_an_actor_is_its_manifest_and_the_wait_for_it() -> None:
    run, _ = declare(image="ocr:1", handler="ocr.Model.process", scaling=Scaling(max_replicas=50, queue_length=1))
    assert run.children("ocr") == [(KIND, "ocr"), (WAIT, "ocr-ready")]
    made, wait = run.one(KIND), run.one(WAIT)
    assert made.inputs == {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": "ocr", "namespace": "actors", "annotations": {"pulumi.com/skipAwait": "true"}},
        "spec": {
            "transport": "rabbitmq",
            "image": "ocr:1",
            "handler": "ocr.Model.process",
            "scaling": {"enabled": True, "maxReplicas": 50, "queueLength": 1},
        },
    }
    assert wait.depends == {(KIND, "ocr")}
    assert wait.secrets >= {"kubeconfig"}
    shown = {key: wait.inputs[key] for key in ("actor", "namespace", "context", "wait_s")}
    assert shown == {"actor": "ocr", "namespace": "actors", "context": "there", "wait_s": 300}


def test_a_change_of_the_manifest_is_waited_for_again() -> None:
    first, second = declare(image="ocr:1", handler="a.b")[0], declare(image="ocr:2", handler="a.b")[0]
    again = declare(image="ocr:1", handler="a.b")[0]
    generations = [run.one(WAIT).inputs["generation"] for run in (first, second, again)]
    assert generations[0] != generations[1]
    assert generations[0] == generations[2]


def test_nobody_waits_where_the_mesh_says_so() -> None:
    run, _ = declare(image="ocr:1", handler="a.b", mesh={"wait_s": 0})
    assert run.children("ocr") == [(KIND, "ocr")]


def test_its_outputs_name_its_queue() -> None:
    seen: dict[str, Any] = {}

    def program() -> None:
        actor = AsyncActor("ocr", mesh=on_a_cluster(queue_prefix="team-"), image="ocr:1", handler="a.b")
        pulumi.Output.all(actor.queue_name, actor.queue_url, actor.status).apply(lambda all_: seen.update(found=all_))

    run_program(program)
    assert seen["found"] == ["team-ocr", "amqp://broker:5672/team-ocr", "Running"]


def test_everything_an_actor_can_say() -> None:
    run, _ = declare(
        image="ocr:1",
        handler="ocr.process",
        env={"LANGUAGE": "de"},
        resources={"limits": {"memory": "1Gi"}},
        service_account="mine",
        retry=Retry(max_attempts=5, non_retryable=["ValueError"]),
        timeout=Timeout(processing="10m"),
        batch=Batch(size=8),
        delivery=Delivery(max_deliveries=2, dedup=Dedup(window="1h")),
        sidecar=Sidecar(concurrency=4),
        source="code",
        labels={"team": "a"},
    )
    made = run.one(KIND).inputs
    assert made["metadata"]["labels"] == {"team": "a"}
    assert made["metadata"]["annotations"]["asya.sh/source"] == "code"
    assert made["spec"] == {
        "transport": "rabbitmq",
        "image": "ocr:1",
        "handler": "ocr.process",
        "retry": {"maxAttempts": 5, "nonRetryable": ["ValueError"]},
        "timeout": {"processing": "10m"},
        "batch": {"size": 8},
        "delivery": {"maxDeliveries": 2, "dedup": {"window": "1h"}},
        "sidecar": {"concurrency": 4},
        "workload": {
            "template": {
                "spec": {
                    "serviceAccountName": "mine",
                    "containers": [
                        {
                            "name": "asya-runtime",
                            "env": [{"name": "LANGUAGE", "value": "de"}],
                            "resources": {"limits": {"memory": "1Gi"}},
                        }
                    ],
                }
            }
        },
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"image": "i", "handler": "h", "scaling": Scaling(min_replicas=5, max_replicas=1)},
            "cannot be greater than maxReplicas",
        ),
        ({"image": "i", "handler": "h", "batch": Batch(size=0)}, "batch.size"),
        ({"image": "i", "handler": "h", "retry": Retry(max_attempts=0)}, "retry.maxAttempts"),
        ({"image": "i", "handler": "h", "timeout": Timeout(processing="soon")}, "timeout.processing"),
        ({"image": "i", "handler": "h", "env": {"A": "b"}, "workload": {}}, "belong into the workload's own template"),
    ],
)
def test_what_the_operator_would_refuse_is_refused_before_anything_is_made(
    arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        declare(**arguments)
    assert isinstance(caught.value, pulumi.RunError)  # told without a traceback


async def built(tag: str) -> str:
    return f"registry/{tag}"


@pytest.mark.parametrize(
    "image", [lambda: pulumi.Output.from_input("ocr:1").apply(lambda tag: f"registry/{tag}"), lambda: built("ocr:1")]
)
def test_an_image_may_be_known_later(image: Callable[[], Any]) -> None:
    def program() -> None:
        AsyncActor("ocr", mesh=on_a_cluster(), image=image(), handler="a.b")

    assert run_program(program).one(KIND).inputs["spec"]["image"] == "registry/ocr:1"


def test_the_classes_mirror_the_operator_s_model() -> None:
    for name in ("Scaling", "Retry", "Timeout", "Batch", "Dedup", "Delivery", "Sidecar"):
        ours = {entry.name for entry in fields(getattr(actor_args, name))}
        assert ours == {to_snake(key) for key in getattr(model, name).model_fields}, name


def test_a_tool_is_a_key_of_the_gateway_s_config_map() -> None:
    def program() -> None:
        mesh = on_a_cluster()
        ocr = AsyncActor("ocr", mesh=mesh, image="ocr:1", handler="a.b")
        McpTool(
            "read-page",
            mesh=mesh,
            route=[ocr, "translate"],
            description="Reads a page",
            parameters={"page": {"type": "string", "required": True}},
            timeout=60,
        )

    patch = run_program(program).one("kubernetes:core/v1:ConfigMapPatch")
    assert patch.parent == "read-page"
    assert ("asya:index:AsyncActor", "ocr") in patch.depends or (KIND, "ocr") in patch.depends
    assert patch.inputs["metadata"] == {
        "name": "asya-gateway-tools",
        "namespace": "system",
        "annotations": {"pulumi.com/patchFieldManager": "asya-tool-read-page"},
    }
    assert patch.inputs["data"] == {
        "read-page.yaml": "tools:\n- name: read-page\n  description: Reads a page\n  route:\n  - ocr\n  - translate\n"
        "  parameters:\n    page:\n      type: string\n      required: true\n  timeout: 60\n"
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"route": []}, "route has no actors"),
        ({"route": ["a"], "parameters": {"p": {"type": "text"}}}, "invalid type"),
        ({"route": ["a"], "timeout": -1}, "timeout cannot be negative"),
    ],
)
def test_what_the_gateway_would_refuse_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run_program(lambda: McpTool("t", mesh=on_a_cluster(), **arguments))


@pytest.mark.parametrize(
    ("own", "pod"),
    [
        ({}, {"serviceAccountName": "asya-ocr", "automountServiceAccountToken": False}),
        (
            {"automountServiceAccountToken": True},
            {"serviceAccountName": "asya-ocr", "automountServiceAccountToken": True},
        ),
        ({"serviceAccountName": "mine"}, {"serviceAccountName": "mine", "automountServiceAccountToken": False}),
    ],
)
def test_a_role_s_service_account_leaves_what_the_manifest_says(own: dict[str, Any], pod: dict[str, Any]) -> None:
    template = {"metadata": {"labels": {"team": "a"}}, "spec": {"nodeSelector": {"gpu": "yes"}, **own}}
    manifest = {
        "kind": "AsyncActor",
        "spec": {"handler": "h", "workload": {"kind": "Deployment", "template": template}},
    }
    found = with_service_account(manifest, "asya-ocr")["spec"]["workload"]["template"]
    assert found == {"metadata": {"labels": {"team": "a"}}, "spec": {"nodeSelector": {"gpu": "yes"}, **pod}}
