"""Leader election by a Lease, as Kubernetes' own controllers do it: whoever renews it in time does the work.

A holder that cannot renew for ``RENEW_DEADLINE_S`` stops working before ``DURATION_S`` lets somebody else begin, so two
never work at once as long as clocks run at the same speed: only the time since a change was *seen* is measured.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from asya_operator.api import KubeApi
from asya_operator.api_errors import ApiConflict, ApiError
from asya_operator.resources import LEASE

log: Final = logging.getLogger(__name__)

LEASE_NAME: Final = "asya-operator.asya.sh"
DURATION_S: Final = 30.0
RENEW_DEADLINE_S: Final = 20.0
"""Twice what Kubernetes' own controllers allow: an API server that is slow for ten seconds, or a node that is, is no reason to
stop, and an operator that ends in order hands the lease over at once."""
RETRY_S: Final = 2.0


class Election:
    """One candidate.

    Args:
        api: The cluster.
        namespace: Where the lease is.
        identity: This process, e.g. its pod's name and a random part.
    """

    def __init__(self, api: KubeApi, namespace: str, identity: str) -> None:
        self._api = api
        self._namespace = namespace
        self._identity = identity
        self._seen: tuple[str, float] = ("", time.monotonic())

    async def acquire(self) -> None:
        """Wait until this process holds the lease."""
        while True:
            with contextlib.suppress(ApiError):
                if await self._try():
                    log.info("leader", extra={"lease": LEASE_NAME, "identity": self._identity})
                    return
            await asyncio.sleep(RETRY_S)

    async def hold(self, enough: Callable[[], bool] = lambda: False) -> None:
        """Renew for as long as it works; returns when the lease is lost, or soon after it is enough."""
        renewed = time.monotonic()
        while time.monotonic() - renewed < RENEW_DEADLINE_S:
            await asyncio.sleep(RETRY_S)
            if enough():
                return
            try:
                async with asyncio.timeout(RENEW_DEADLINE_S / 2):
                    if not await self._try():
                        break
                renewed = time.monotonic()
            except (ApiError, TimeoutError) as exc:
                log.warning("lease not renewed", extra={"error": str(exc) or "timeout"})
        log.error("lease lost", extra={"lease": LEASE_NAME, "identity": self._identity})

    async def release(self) -> None:
        """Let somebody else have it at once."""
        with contextlib.suppress(ApiError):
            lease = await self._api.get(LEASE, self._namespace, LEASE_NAME)
            if lease is not None and lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._api.replace(lease)

    async def _try(self) -> bool:
        """Take or renew the lease, if it is ours or nobody's; whether it is ours now."""
        lease = await self._api.get(LEASE, self._namespace, LEASE_NAME)
        try:
            if lease is None:
                await self._api.create(self._new())
                return True
            if not self._may_take(lease["spec"]):
                return False
            await self._api.replace({**lease, "spec": taken(lease["spec"], self._identity, datetime.now(UTC))})
        except ApiConflict:
            return False
        return True

    def _may_take(self, spec: Mapping[str, Any]) -> bool:
        holder = spec.get("holderIdentity") or ""
        if holder in ("", self._identity):
            return True
        mark = f"{holder} {spec.get('renewTime')}"
        if mark != self._seen[0]:
            self._seen = (mark, time.monotonic())
            return False
        return time.monotonic() - self._seen[1] > float(spec.get("leaseDurationSeconds") or DURATION_S)

    def _new(self) -> dict[str, Any]:
        meta = {"name": LEASE_NAME, "namespace": self._namespace}
        spec = taken({}, self._identity, datetime.now(UTC))
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": meta, "spec": spec}


async def hold_apart(namespace: str, identity: str) -> None:
    """Renew a lease that this process has, on a thread, loop and connection of its own; returns when it is lost.

    Thousands of changes at once keep the process's main loop busy for longer than a renewal may take.
    """
    ended = threading.Event()

    async def hold() -> None:
        async with KubeApi() as api:
            await Election(api, namespace, identity).hold(ended.is_set)

    renewing = asyncio.create_task(asyncio.to_thread(asyncio.run, hold()))
    try:
        await asyncio.shield(renewing)
    finally:
        ended.set()
        await renewing  # so that no renewal comes after the lease was given back


def taken(spec: Mapping[str, Any], identity: str, now: datetime) -> dict[str, Any]:
    """A lease's spec as its new or renewing holder writes it. Pure."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    renewal = {"holderIdentity": identity, "renewTime": stamp, "leaseDurationSeconds": round(DURATION_S)}
    if spec.get("holderIdentity") == identity:
        return {**spec, **renewal}
    transitions = int(spec.get("leaseTransitions") or 0) + (1 if spec else 0)
    return {**spec, **renewal, "acquireTime": stamp, "leaseTransitions": transitions}
