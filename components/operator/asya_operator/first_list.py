"""When an operator that starts may begin to reconcile: once the watch has shown every actor that there is.

Which of several actors of one name has the queue follows from all of them. An operator that knew only some would give it to
the wrong one, and when that one is deleted, delete the queue with what it holds. The list is compared with what the watch has
shown and then forgotten, since only a watch says what goes.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from asya_kube import resources
from asya_kube.api import ApiError, KubeApi, ObjectMissing
from asya_operator.world import Key, World

log: Final = logging.getLogger(__name__)

PATIENCE_S: Final = 60.0
"""How long to wait at most: an operator that waits for ever helps no one."""
LIST_AGAIN_S: Final = 5.0
"""How soon to ask again which actors there are: one that goes meanwhile is never shown."""
RETRY_S: Final = 1.0
"""Pause after a list that failed."""
PAUSE_S: Final = 0.1
"""How often to compare."""


async def await_actors(
    api: KubeApi,
    world: World,
    namespaces: Collection[str] = (),
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> bool:
    """Wait until the watch has shown every actor; false when patience ended first.

    Args:
        api: The cluster.
        world: What the watch has shown.
        namespaces: Those that are watched; none are all.
        clock: Any steady clock, in seconds.
        sleep: Waits for a number of seconds.
    """
    began_s = clock()
    while clock() - began_s < PATIENCE_S:
        there = await _actors(api, namespaces)
        if there is None:
            await sleep(RETRY_S)
            continue
        listed_s = clock()
        while clock() - listed_s < LIST_AGAIN_S:
            if all(world.knows(key) for key in there):
                return True
            await sleep(PAUSE_S)
    log.warning("not every actor was seen; reconciles begin all the same", extra={"waited_s": PATIENCE_S})
    return False


async def _actors(api: KubeApi, namespaces: Collection[str]) -> set[Key] | None:
    """The actors that there are; ``None`` when they cannot be listed."""
    try:
        pages = [await api.list_metadata(resources.ACTOR, each) for each in namespaces or (None,)]
    except ObjectMissing:
        return set()  # their CRD is not installed
    except (ApiError, LookupError, TypeError) as exc:
        # Also an answer of another shape: what cannot be compared is waited for, and never the end of the operator.
        log.warning("actors not listed", extra={"error": str(exc)})
        return None
    return {(meta["namespace"], meta["name"]) for page in pages for meta in page}
