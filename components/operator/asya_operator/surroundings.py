"""What the mesh stands on, and whether its makers still mend it: looked at once an hour, told as metrics.

Kubernetes and KEDA say their versions to the API server's clients, RabbitMQ to whoever connects. What cannot be found out is
not told: alerts speak of what is known. The rules are ``asya_manifest.cluster_needs``'s, as `asya doctor --cluster` has them.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

from asya_kube import resources
from asya_kube.api import ApiError, KubeApi
from asya_manifest.cluster_needs import KEDA_DEFINITION, VERSION_LABEL
from asya_operator.metrics import Metrics

log: Final = logging.getLogger(__name__)

EVERY_S: Final = 3600.0
FIRST_S: Final = 60.0
"""By when brokers have been connected to."""


class Surroundings:
    """Looks until it is cancelled.

    Args:
        api: Of the cluster.
        brokers: Returns the versions of the RabbitMQ servers that were connected to.
        metrics: Where it is told.
    """

    def __init__(self, api: KubeApi, brokers: Callable[[], Iterable[str]], metrics: Metrics) -> None:
        self._api = api
        self._brokers = brokers
        self._metrics = metrics

    async def run(self) -> None:
        """Look at once, again when brokers are connected to, and every hour."""
        pause_s = FIRST_S
        while True:
            self._metrics.show_parts([each async for each in self.look()])
            await asyncio.sleep(pause_s)
            pause_s = EVERY_S

    async def look(self) -> AsyncIterator[tuple[str, str]]:
        """Yield each part and its version."""
        try:
            yield "Kubernetes", await self._api.version()
            keda = await self._api.get(resources.CRD, None, KEDA_DEFINITION) or {}
        except ApiError as exc:  # with rights in some namespaces only, nobody may read definitions
            log.info("not all versions could be read", extra={"error": str(exc)})
            keda = {}
        yield "KEDA", str(((keda.get("metadata") or {}).get("labels") or {}).get(VERSION_LABEL) or "")
        for version in sorted(set(self._brokers())):
            yield "RabbitMQ", version
