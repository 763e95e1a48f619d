"""The actors of a cluster: AsyncActor objects with the status that the operator writes; nothing else here asks Kubernetes.

Needs ``list`` on ``asyncactors.asya.sh``, in all namespaces or in the one that is named. The answer may come from the API
server's cache (``resourceVersion=0``), so that looking costs its database nothing.
"""

import json
from typing import Any, Final

from asya_gateway.actors.port import KUBERNETES, ActorsUnknown
from asya_gateway.actors.view import ActorView, view_of_object

TIMEOUT_S: Final = 10.0
GROUP: Final = "/apis/asya.sh/v1alpha1"


class KubernetesActors:
    """One API server, reached by a kubeconfig or as the pod's service account.

    Args:
        namespace: Where to look; ``None`` is everywhere.
    """

    name = KUBERNETES

    def __init__(self, namespace: str | None = None) -> None:
        where = f"/namespaces/{namespace}" if namespace else ""
        self._path = f"{GROUP}{where}/asyncactors"
        self._client: Any = None

    async def actors(self) -> list[ActorView] | None:
        """List them."""
        try:
            import aiohttp
            from kubernetes_asyncio import config
            from kubernetes_asyncio.client import ApiClient, Configuration
        except ImportError:
            raise ActorsUnknown("cannot ask Kubernetes: install asya-gateway[kubernetes]") from None
        try:
            if self._client is None:
                configuration = Configuration()
                await config.load_config(client_configuration=configuration)
                self._client = ApiClient(configuration)
            answer = await self._client.call_api(
                self._path,
                "GET",
                query_params=[("resourceVersion", "0")],
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=TIMEOUT_S,
            )
            text, status = await answer.read(), answer.status
        except config.ConfigException as exc:
            raise ActorsUnknown(f"no credentials for a cluster: {exc}") from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise ActorsUnknown(f"the Kubernetes API cannot be reached: {exc or type(exc).__name__}") from exc
        return _read(status, text)

    async def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            await self._client.close()
            self._client = None


def _read(status: int, text: bytes) -> list[ActorView]:
    try:
        document = json.loads(text)
        if status == 200:
            return [view_of_object(item) for item in document["items"]]
        message = str(document["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        message = text[:200].decode("utf-8", "replace")
    cures = {403: "; its role needs list on asyncactors.asya.sh", 404: "; is the AsyncActor CRD installed?"}
    raise ActorsUnknown(f"Kubernetes answered {status}: {message}{cures.get(status, '')}")
