"""Whose an object is: what is in the cluster already becomes a stack's only when that is asked for."""

import asyncio
import json
from typing import Any

import pulumi
import pytest
from aiohttp import web

from asya_infra.actor import AsyncActor
from asya_infra.ownership import GUARDED, OWNER, Ownership, foreign, look, refusal
from tests.support.kube_server import kubeconfig, server_that
from tests.support.pulumi_program import Run, on_a_cluster, run_environment, run_program

pytestmark = pytest.mark.unit

KUBECTL = {
    "name": "ocr",
    "namespace": "actors",
    "managedFields": [{"manager": "kubectl-client-side-apply", "operation": "Update"}],
}


def with_managers(*names: str) -> dict[str, Any]:
    return {"name": "ocr", "managedFields": [{"manager": name} for name in names]}


@pytest.mark.parametrize(
    ("found", "whose"),
    [
        (None, ""),
        ({"annotations": {OWNER: "words/prod"}}, ""),
        ({"annotations": {OWNER: "pages/prod"}}, "the stack pages/prod made it"),
        (KUBECTL, "kubectl-client-side-apply made it"),
        (with_managers("kubectl-create", "asya-operator"), "kubectl-create made it"),
        ({"name": "ocr", "annotations": None, "managedFields": None}, "it is there already"),
        ({"managedFields": [{"manager": "asya-operator", "subresource": "status"}]}, "it is there already"),
        # Made by a program before objects were marked: there was no other way to tell, and it may be this one.
        (with_managers("pulumi-kubernetes-1f2e", "asya-operator"), ""),
    ],
)
def test_an_object_is_the_stack_s_when_it_says_so(found: dict[str, Any] | None, whose: str) -> None:
    assert foreign(found, "words/prod") == whose


def program(*, adopt: bool = False, there: Any = None, preview: bool = False) -> Run:
    def declare() -> None:
        owner = Ownership(pulumi.Output.secret("kubeconfig"), None, adopt=adopt)
        AsyncActor("ocr", mesh=on_a_cluster(ownership=owner), image="ocr:1", handler="ocr.process")

    return run_program(declare, there=there, preview=preview)


def test_an_actor_says_whose_it_is_and_shows_no_secret_by_it() -> None:
    made = program().one("kubernetes:asya.sh/v1alpha1:AsyncActor")
    assert made.inputs["metadata"]["annotations"][OWNER] == "asya/test"
    assert not made.secrets


@pytest.mark.parametrize("preview", [True, False])
def test_an_actor_of_somebody_else_is_refused_in_a_preview_already(preview: bool) -> None:
    with pytest.raises(Exception, match=r"AsyncActor actors/ocr: is in the cluster.*kubectl-client-side-apply made it"):
        program(there={"ocr": KUBECTL}, preview=preview)


def test_it_is_taken_over_with_a_warning_when_asked() -> None:
    seen = program(there={"ocr": KUBECTL}, adopt=True)
    assert seen.one("kubernetes:asya.sh/v1alpha1:AsyncActor").inputs["metadata"]["annotations"][OWNER] == "asya/test"
    (said,) = seen.warnings
    assert "AsyncActor actors/ocr is this stack's from now on, which deletes it when it goes" in said


def test_every_guarded_object_of_an_environment_is_marked_and_a_namespace_that_exists_is_refused() -> None:
    seen = run_environment("oss")
    guarded = [each for each in seen.resources if each.inputs.get("kind") in GUARDED]
    assert {each.inputs["kind"] for each in guarded} == set(GUARDED)
    assert {each.inputs["metadata"]["annotations"].get(OWNER) for each in guarded} == {"asya/oss"}
    provider = seen.one("pulumi:providers:kubernetes").inputs
    assert "upsertExistingObjects" not in provider
    asked = run_environment("oss", adopt="true").one("pulumi:providers:kubernetes").inputs
    assert asked["upsertExistingObjects"] == "true"


def test_the_refusal_names_the_cure() -> None:
    assert "pulumi config set asya:adopt true" in refusal("kubectl made it")


@pytest.mark.parametrize(
    ("kind", "namespace", "path"),
    [
        ("Namespace", "", "/api/v1/namespaces"),
        ("CustomResourceDefinition", "", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
        ("Deployment", "asya-system", "/apis/apps/v1/namespaces/asya-system/deployments"),
        ("AsyncActor", "asya", "/apis/asya.sh/v1alpha1/namespaces/asya/asyncactors"),
    ],
)
async def test_a_kind_is_listed_where_it_lives(kind: str, namespace: str, path: str) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"items": [{"metadata": KUBECTL}], "metadata": {}})

    async with server_that(answer) as port:
        found = await asyncio.to_thread(look, json.dumps(kubeconfig(port)), "", kind, namespace)
    assert asked == [path]
    assert foreign(found["ocr"], "words/prod") == "kubectl-client-side-apply made it"


@pytest.mark.parametrize("status", [403, 404, 503])
async def test_a_cluster_that_tells_nothing_is_left_to_the_provider(status: int) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"message": "no"}, status=status)

    async with server_that(answer) as port:
        assert await asyncio.to_thread(look, json.dumps(kubeconfig(port)), "", "AsyncActor", "asya") == {}


def test_a_cluster_that_is_not_there_is_left_to_the_provider() -> None:
    assert look(json.dumps(kubeconfig(1)), "", "Namespace", "") == {}
