"""How the API server is asked, before a stand-in for it that speaks HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from asya_kube.api import KubeApi
from asya_kube.resources import ACTOR
from tests.support.kube_server import kubeconfig, server_that


@asynccontextmanager
async def api_that(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[KubeApi]:
    async with server_that(answer) as port, KubeApi(kubeconfig=kubeconfig(port)) as api:
        yield api


async def test_no_objects_are_an_empty_list_however_the_server_writes_it() -> None:
    """The API server's list of metadata is null where there are none."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"metadata": {}, "items": None})

    async with api_that(answer) as api:
        assert (await api.list_metadata(ACTOR), await api.list(ACTOR)) == ([], [])


async def test_metadata_are_listed_page_by_page_without_the_rest() -> None:
    asked: list[tuple[str, dict[str, str], str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path, dict(request.query), request.headers["Accept"]))
        last = request.query.get("continue") == "next"
        item = {"metadata": {"namespace": "team", "name": "second" if last else "first"}}
        return web.json_response({"metadata": {} if last else {"continue": "next"}, "items": [item]})

    async with api_that(answer) as api:
        found = await api.list_metadata(ACTOR)
    assert [meta["name"] for meta in found] == ["first", "second"]
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
    path = "/apis/asya.sh/v1alpha1/asyncactors"
    assert asked == [(path, {"limit": "500"}, accept), (path, {"limit": "500", "continue": "next"}, accept)]
