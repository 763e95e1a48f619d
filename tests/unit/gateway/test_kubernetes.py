"""The actors of a cluster, before a stand-in for its API server."""

from functools import partial

import pytest
from aiohttp import web

from asya_gateway.actors.kubernetes import KubernetesActors
from asya_gateway.actors.port import ActorsUnknown
from asya_gateway.actors.view import ActorView
from asya_kube.api import KubeApi
from tests.support.kube_server import kubeconfig, server_that

PATH = "/apis/asya.sh/v1alpha1/namespaces/ml/asyncactors"


async def test_actors_of_a_namespace_are_read_from_the_servers_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path, dict(request.query)))
        return web.json_response({"items": [{"metadata": {"name": "ocr", "namespace": "ml"}}]})

    async with server_that(answer) as port:
        monkeypatch.setattr("asya_kube.api.KubeApi", partial(KubeApi, kubeconfig=kubeconfig(port)))
        source = KubernetesActors("ml")
        assert await source.actors() == [ActorView("ocr", "ml", "Unknown")]
        await source.close()
    assert asked == [(PATH, {"resourceVersion": "0"})]


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (403, '{"message": "no"}', f"GET {PATH}: 403 no; its role needs list on asyncactors.asya.sh"),
        (404, "not here", f"GET {PATH}: 404 not here; is the AsyncActor CRD installed?"),
        (503, '{"message": "wait"}', f"GET {PATH}: 503 wait"),
        (200, '{"items": [{}]}', "Kubernetes answered with something else than a list of actors: 'metadata'"),
    ],
)
async def test_what_a_server_answers_instead_is_said(
    monkeypatch: pytest.MonkeyPatch, status: int, text: str, said: str
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    async with server_that(answer) as port:
        monkeypatch.setattr("asya_kube.api.KubeApi", partial(KubeApi, kubeconfig=kubeconfig(port)))
        source = KubernetesActors("ml")
        with pytest.raises(ActorsUnknown) as refused:
            await source.actors()
        await source.close()
    assert str(refused.value) == said
