"""The pod that loads the handler of an actor that naps, and how its end is read; a real one runs in tests/e2e/stack."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from asya_infra.actor_status import ActorFailed, await_actor
from asya_infra.handler_check import check_pod, stuck, verdict
from tests.support.kube_server import kubeconfig, server_that

pytestmark = pytest.mark.unit

RUNTIME = {
    "name": "asya-runtime",
    "image": "pages:1",
    "command": ["python3", "/opt/asya/asya_runtime.py"],
    "env": [{"name": "ASYA_HANDLER", "value": "pages.read"}],
    "volumeMounts": [{"name": "socket", "mountPath": "/var/run/asya"}],
    "startupProbe": {},
    "livenessProbe": {},
    "readinessProbe": {},
    "lifecycle": {},
}
WORKLOAD: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "ocr", "namespace": "team"},
    "spec": {
        "template": {
            "metadata": {"labels": {"asya.sh/asya": "ocr"}, "annotations": {"a": "b"}},
            "spec": {
                "initContainers": [{"name": "fetch"}, {"name": "asya-sidecar", "restartPolicy": "Always"}],
                "containers": [RUNTIME, {"name": "other"}],
                "volumes": [{"name": "socket", "emptyDir": {}}],
                "serviceAccountName": "team",
            },
        }
    },
}
NAPPING = {
    "apiVersion": "asya.sh/v1alpha1",
    "kind": "AsyncActor",
    "metadata": {"name": "ocr", "namespace": "team", "generation": 3},
    "status": {"status": "Napping", "observedGeneration": 3, "conditions": []},
}
WHY = "ASYA_HANDLER='pages.read': importing pages failed: ModuleNotFoundError: No module named 'torch', at /app/pages.py:3"


def in_state(**state: Any) -> dict[str, Any]:
    return {"status": {"containerStatuses": [{"name": "asya-runtime", "state": state}]}}


def test_the_pod_is_the_actors_without_its_sidecar_and_its_labels() -> None:
    pod = check_pod(WORKLOAD, "ocr-check-1")
    assert pod is not None
    assert pod["metadata"] == {
        "name": "ocr-check-1",
        "labels": {"asya.sh/handler-check": "ocr"},
        "annotations": {"a": "b"},
    }
    spec = pod["spec"]
    assert spec["containers"] == [
        {
            "name": "asya-runtime",
            "image": "pages:1",
            "command": ["python3", "/opt/asya/asya_runtime.py", "--check"],
            "env": RUNTIME["env"],
            "volumeMounts": RUNTIME["volumeMounts"],
        }
    ]
    assert spec["initContainers"] == [{"name": "fetch"}]
    assert (spec["restartPolicy"], spec["serviceAccountName"]) == ("Never", "team")
    assert spec["volumes"] == [{"name": "socket", "emptyDir": {}}]


def test_a_workload_without_our_runtime_is_left_alone() -> None:
    assert check_pod({"metadata": {"name": "x"}, "spec": {"template": {"spec": {"containers": []}}}}, "x") is None


def test_a_stateful_set_is_checked_unless_its_handler_may_need_what_a_claim_holds() -> None:
    stateful = {**WORKLOAD, "kind": "StatefulSet"}
    assert check_pod(stateful, "ocr-check-1") == check_pod(WORKLOAD, "ocr-check-1")
    claims = {**WORKLOAD["spec"], "volumeClaimTemplates": [{"metadata": {"name": "weights"}}]}
    assert check_pod({**stateful, "spec": claims}, "ocr-check-1") is None


@pytest.mark.parametrize(
    ("pod", "said"),
    [
        ({}, None),
        (in_state(running={}), None),
        (in_state(waiting={"reason": "ContainerCreating"}), None),
        (in_state(terminated={"exitCode": 0}), ""),
        (in_state(terminated={"exitCode": 1, "message": WHY}), WHY),
        (in_state(terminated={"exitCode": 139, "reason": "Error"}), "Error, exit code 139"),
        (in_state(terminated={"exitCode": 137, "reason": "OOMKilled"}), "OOMKilled, exit code 137"),
    ],
)
def test_how_a_check_ended(pod: dict[str, Any], said: str | None) -> None:
    assert verdict(pod) == said


def test_only_what_does_not_mend_itself_is_told_of_a_pod_that_has_not_begun() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    assert stuck(in_state(waiting=waiting)) == "ImagePullBackOff: no such image"
    assert stuck(in_state(waiting={"reason": "ContainerCreating"})) == stuck(in_state(running={})) == stuck({}) == ""


@pytest.mark.parametrize(
    ("kind", "may_make_pods"), [("Deployment", True), ("StatefulSet", True), ("Deployment", False)]
)
async def test_an_actor_that_naps_and_cannot_load_its_handler_is_told_with_the_place(
    *, kind: str, may_make_pods: bool
) -> None:
    """Who may not make pods is told as before, that it naps; the pod is deleted."""
    made: list[dict[str, Any]] = []
    deleted: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        if "asyncactors" in request.path:
            return web.json_response(NAPPING)
        if request.method == "GET" and ("deployments" in request.path or "statefulsets" in request.path):
            if kind.lower() not in request.path:
                return web.json_response({"kind": "Status", "code": 404, "message": "none"}, status=404)
            return web.json_response({**WORKLOAD, "kind": kind})
        if request.method == "POST":
            if not may_make_pods:
                return web.json_response({"kind": "Status", "code": 403, "message": "no"}, status=403)
            made.append(await request.json())
            return web.json_response(made[0])
        if request.method == "DELETE":
            deleted.append(request.path.rpartition("/")[2])
        return web.json_response({**made[0], **in_state(terminated={"exitCode": 1, "message": WHY})})

    async with server_that(answer) as port:
        config = json.dumps(kubeconfig(port))
        asked = asyncio.to_thread(
            await_actor, kubeconfig=config, context=None, namespace="team", actor="ocr", limit_s=30
        )
        if not may_make_pods:
            assert await asked == {"status": "Napping"}
            return
        with pytest.raises(ActorFailed) as failed:
            await asked
    assert str(failed.value) == f"actor ocr in team cannot load its handler: {WHY}"
    assert deleted == [made[0]["metadata"]["name"]]
