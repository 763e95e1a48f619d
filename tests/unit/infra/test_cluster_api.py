"""What a team's program reads of a cluster: an actor, others' objects; credentials of programs; what an API server refuses."""

import asyncio
import json
import sys
from typing import Any

import pytest
from aiohttp import web

from asya_infra.actor_status import ActorFailed, await_actor
from asya_infra.cluster_api import ACTOR, ClusterApi, ClusterSilent, told_to_programs
from tests.support.kube_server import kubeconfig, server_that

pytestmark = pytest.mark.unit
READY = {
    "apiVersion": "asya.sh/v1alpha1",
    "kind": "AsyncActor",
    "metadata": {"name": "ocr", "namespace": "team", "generation": 3},
    "spec": {"transport": "sqs"},
    "status": {"status": "Napping", "observedGeneration": 3, "conditions": []},
}
PROGRAM = """
import json, os
asked = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
print(json.dumps({"apiVersion": asked["apiVersion"], "kind": "ExecCredential", "status": {"token": "of-the-program"}}))
"""


def refusal(code: int, message: str) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}
    return web.json_response(status, status=code)


async def test_an_actor_is_waited_for_as_the_operator_tells_it() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if "/apps/v1/" in request.path:
            return refusal(404, "no workload")
        return web.json_response(READY) if len(asked) > 1 else refusal(503, "starting")

    async with server_that(answer) as port:
        config = json.dumps(kubeconfig(port))
        found = await asyncio.to_thread(
            await_actor, kubeconfig=config, context=None, namespace="team", actor="ocr", limit_s=30
        )
    assert found == {"status": "Napping"}
    actor = "/apis/asya.sh/v1alpha1/namespaces/team/asyncactors/ocr"
    workloads = [f"/apis/apps/v1/namespaces/team/{kind}/ocr" for kind in ("deployments", "statefulsets")]
    assert asked == [actor, actor, *workloads]


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        (refusal(403, "not yours"), "cannot be looked at: 403: not yours"),
        (refusal(404, "not here"), "it does not exist; see: kubectl -n team describe asya ocr"),
        (refusal(500, "broken"), "the API server did not answer: 500: broken"),
    ],
    ids=["refused", "missing", "broken"],
)
async def test_an_actor_that_does_not_come_is_told_with_the_reason(answered: web.Response, told: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=answered.body, status=answered.status, content_type="application/json")

    async with server_that(answer) as port:
        config = json.dumps(kubeconfig(port))
        with pytest.raises(ActorFailed, match=told):
            await asyncio.to_thread(
                await_actor, kubeconfig=config, context="c", namespace="team", actor="ocr", limit_s=0
            )


async def test_a_long_list_is_read_page_by_page_and_a_kind_that_nobody_defined_has_none() -> None:
    async def answer(request: web.Request) -> web.Response:
        if "keda" in request.path:
            return refusal(404, "the server could not find the requested resource")
        later = "continue" in request.query
        items = [{**READY, "metadata": {"name": f"actor-{int(later)}", "namespace": "team"}}]
        meta = {} if later else {"continue": "more"}
        return web.json_response({"apiVersion": "v1", "kind": "List", "metadata": meta, "items": items})

    def read(port: int) -> tuple[list[str], list[Any]]:
        from asya_infra.cluster_api import SCALED_OBJECT

        with ClusterApi(kubeconfig(port)) as api:
            return [each["name"] for each in api.metadata(ACTOR)], api.metadata(SCALED_OBJECT)

    async with server_that(answer) as port:
        assert await asyncio.to_thread(read, port) == (["actor-0", "actor-1"], [])


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_a_program_that_gives_credentials_is_told_what_kubectl_tells_it(version: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "")
        return web.json_response(READY) if given == "Bearer of-the-program" else refusal(401, "who are you?")

    def read(config: dict[str, Any]) -> dict[str, Any] | None:
        with ClusterApi(config) as api:
            return api.get(ACTOR, "team", "ocr")

    async with server_that(answer) as port:
        config = kubeconfig(port)
        program = {"apiVersion": f"client.authentication.k8s.io/{version}", "command": sys.executable}
        config["users"][0]["user"] = {"exec": {**program, "args": ["-c", PROGRAM], "interactiveMode": "Never"}}
        assert await asyncio.to_thread(read, config) == READY
        config["users"][0]["user"]["exec"]["command"] = "/no/such/program"
        with pytest.raises(ClusterSilent, match="/no/such/program"):
            await asyncio.to_thread(read, config)


def test_a_kubeconfig_that_leads_nowhere_says_so() -> None:
    with pytest.raises(ClusterSilent, match="leads to no cluster"):
        ClusterApi(kubeconfig(1), "another")


def test_users_without_a_program_stay_as_they_are() -> None:
    given = {"users": [{"name": "u", "user": {"token": "t"}}], "clusters": []}
    assert told_to_programs(given) == given
