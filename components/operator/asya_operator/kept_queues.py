"""Whose a queue is that outlived its actor: nobody of another namespace inherits what waits in it.

Queues are named by the actor alone. One that is not empty stays when its actor is deleted, for whoever applies the actor
again; until it is empty that may be its own namespace only. The list is a ConfigMap in the operator's own namespace, so that
the next leader knows it.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from asya_kube.api import ApiError, KubeApi
from asya_kube.resources import CONFIG_MAP

log: Final = logging.getLogger(__name__)

NAME: Final = "asya-kept-queues"


class KeptQueues:
    """The list in the cluster.

    Args:
        api: The cluster.
        namespace: The operator's own.
        operator_class: Of this operator; operators of several classes have lists of their own.
    """

    def __init__(self, api: KubeApi, namespace: str, operator_class: str = "") -> None:
        self._api = api
        self._namespace = namespace
        self._name = f"{NAME}-{operator_class}" if operator_class else NAME

    async def load(self) -> dict[str, str]:
        """Read the list: namespaces by ``world.kept_key``.

        Raises:
            ApiUnavailable: The API server asks for patience.
        """
        try:
            found = await self._api.get(CONFIG_MAP, self._namespace, self._name)
        except ApiError as exc:
            self._only_in_memory(exc)
            return {}
        return dict((found or {}).get("data") or {})

    async def save(self, kept: Mapping[str, str]) -> None:
        """Write the list.

        Raises:
            ApiUnavailable: The API server asks for patience.
        """
        manifest: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "data": dict(kept),
        }
        try:
            await self._api.apply(manifest)
        except ApiError as exc:
            self._only_in_memory(exc)

    def _only_in_memory(self, error: ApiError) -> None:
        if type(error).retryable:
            raise error
        log.warning(
            "queues that outlived their actors are not remembered beyond this process: give the operator get, create "
            "and patch on ConfigMaps of its own namespace",
            extra={"namespace": self._namespace, "error": str(error)},
        )
