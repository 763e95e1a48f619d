"""Two operators that would keep the actors of all namespaces: the younger stands by, and says whom it waits for.

The lease (``asya_operator.lease``) decides among the replicas of one operator, and lies in its namespace; a second operator in
another one has a lease of its own. By their Deployments both know who was there first, as the API server has written it: of any
two exactly one yields, and needs no right that it has not. One that keeps some namespaces alone cannot see others' Deployments:
`asya doctor --cluster` tells of those.
"""

import asyncio
import itertools
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from asya_kube import resources
from asya_kube.api import ApiError, KubeApi
from asya_manifest.operators import CURE, SELECTOR, Operator, read_operator

log: Final = logging.getLogger(__name__)

WAITING_S: Final = 10.0
"""Between two looks of one that stands by."""
WORKING_S: Final = 60.0
"""Between two looks of one that works: an elder may have been scaled up again."""
_TOLD_EVERY: Final = 30
"""Looks between two words in the log."""


def elder_of(pod: str, namespace: str, deployments: Iterable[Mapping[str, Any]]) -> Operator | None:
    """The operator that was here before this one and keeps the actors of all namespaces, too. Pure.

    Args:
        pod: This pod's name; in one that no Deployment made there is none.
        namespace: This pod's.
        deployments: Those of operators, as the API server shows them.
    """
    found = [operator for each in deployments if (operator := read_operator(each)) is not None]
    name = pod.rsplit("-", 2)[0]
    own = next((each for each in found if (each.namespace, each.name) == (namespace, name)), None)
    if own is None or own.watches:
        return None
    alike = [each for each in found if each.wanted and not each.watches and each.meets(own)]
    first = min(alike, key=_age, default=own)
    return None if first == own else first


def _age(operator: Operator) -> tuple[str, str, str]:
    return operator.created, operator.namespace, operator.name


class Elders:
    """Looks for one.

    Args:
        api: Of the cluster.
        pod: This pod's name.
        namespace: This pod's.
    """

    def __init__(self, api: KubeApi, pod: str, namespace: str) -> None:
        self._api = api
        self._pod = pod
        self._namespace = namespace
        self.waits_for: str | None = None
        """Whom it stands by for, in words for /readyz."""

    async def until_none(self) -> None:
        """Stand by for as long as there is an elder."""
        for looks in itertools.count():
            if (elder := await self.look()) is None:
                break
            self.waits_for = f"stands by: {elder} keeps the same actors; {CURE}"
            if looks % _TOLD_EVERY == 0:
                log.error("stands by", extra={"operator": str(elder), "cure": CURE})
            await asyncio.sleep(WAITING_S)
        self.waits_for = None

    async def until_one(self) -> None:
        """Return when there is an elder again."""
        while True:
            await asyncio.sleep(WORKING_S)
            if (elder := await self.look()) is not None:
                log.error("an older operator is back", extra={"operator": str(elder), "cure": CURE})
                return

    async def look(self) -> Operator | None:
        """The elder; none too where the cluster does not say."""
        try:
            return elder_of(
                self._pod, self._namespace, await self._api.list(resources.DEPLOYMENT, selector=SELECTOR, cached=True)
            )
        except ApiError as exc:
            log.info("other operators are not looked for", extra={"error": str(exc)})
            return None
