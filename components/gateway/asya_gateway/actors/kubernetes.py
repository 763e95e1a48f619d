"""The actors of a cluster: AsyncActor objects with the status that the operator writes.

Needs ``list`` on ``asyncactors.asya.sh``, in all namespaces or in the one that is named.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from asya_gateway.actors.port import KUBERNETES, ActorsUnknown
from asya_gateway.actors.view import ActorView, view_of_object

if TYPE_CHECKING:
    from asya_kube.api import KubeApi

TIMEOUT_S: Final = 10.0


class KubernetesActors:
    """One API server, reached by a kubeconfig or as the pod's service account.

    Args:
        namespace: Where to look; ``None`` is everywhere.
    """

    name = KUBERNETES

    def __init__(self, namespace: str | None = None) -> None:
        self._namespace = namespace
        self._connection = AsyncExitStack()
        self._api: KubeApi | None = None

    async def actors(self) -> list[ActorView] | None:
        """List them."""
        try:
            from asya_kube.api import ApiError, ApiUnavailable, KubeApi, ObjectMissing
            from asya_kube.resources import ACTOR
        except ImportError:
            raise ActorsUnknown("cannot ask Kubernetes: install asya-gateway[kubernetes]") from None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if self._api is None:
                    self._api = await self._connection.enter_async_context(KubeApi())
                return [view_of_object(item) for item in await self._api.list(ACTOR, self._namespace, cached=True)]
        except (TimeoutError, ApiUnavailable) as exc:
            raise ActorsUnknown(str(exc) or "the Kubernetes API does not answer") from exc
        except ObjectMissing as exc:
            raise ActorsUnknown(f"{exc}; is the AsyncActor CRD installed?") from exc
        except ApiError as exc:
            raise ActorsUnknown(f"{exc}; its role needs list on asyncactors.asya.sh") from exc
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise ActorsUnknown(f"Kubernetes answered with something else than a list of actors: {exc}") from exc

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.aclose()
        self._api = None
