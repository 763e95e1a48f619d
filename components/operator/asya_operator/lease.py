"""Leader election by a Lease, as Kubernetes' own controllers do it: the process that renews it in time does the work.

A holder that cannot renew for ``RENEW_DEADLINE_S`` stops working before ``DURATION_S`` lets another one begin, so two
never work at once as long as clocks run at the same speed: only the time since a change was *seen* is measured, and the holder
counts from before it asked, since an answer may take long.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from asya_kube.api import ApiConflict, ApiError, KubeApi
from asya_kube.resources import LEASE

log: Final = logging.getLogger(__name__)

LEASE_NAME: Final = "asya-operator.asya.sh"
DURATION_S: Final = 30.0
RENEW_DEADLINE_S: Final = 20.0
"""Twice what Kubernetes' own controllers allow: an API server that is slow for ten seconds, or a node that is, is no reason to
stop, and an operator that ends in order hands the lease over at once."""
RETRY_S: Final = 2.0
TRY_S: Final = RENEW_DEADLINE_S / 2
"""How long one try may take, so that there is time for another."""


class Election:
    """One candidate.

    Args:
        api: The cluster.
        namespace: Where the lease is.
        identity: This process, e.g. its pod's name and a random part.
        name: Of the lease.
    """

    def __init__(self, api: KubeApi, namespace: str, identity: str, name: str = LEASE_NAME) -> None:
        self._name = name
        self._api = api
        self._namespace = namespace
        self._identity = identity
        self._seen: tuple[str, float] = ("", time.monotonic())
        self.renewed_s = time.monotonic()
        """When the last renewal that succeeded was begun, by the steady clock."""

    async def acquire(self) -> None:
        """Wait until this process holds the lease."""
        while True:
            if await self._renew(TRY_S):
                log.info("leader", extra={"lease": self._name, "identity": self._identity})
                return
            await asyncio.sleep(RETRY_S)

    async def hold(self, since_s: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Renew for as long as it works; returns when the lease is lost, or soon after it is enough.

        Args:
            since_s: When the try that took the lease was begun, by the steady clock.
            enough: Whether to stop.
        """
        self.renewed_s = since_s
        while (left_s := self._left_s()) > 0:
            await asyncio.sleep(min(RETRY_S, left_s))
            if enough():
                return
            if await self._renew(min(TRY_S, self._left_s())) is False:
                break
        log.error("lease lost", extra={"lease": self._name, "identity": self._identity})

    def _left_s(self) -> float:
        return self.renewed_s + RENEW_DEADLINE_S - time.monotonic()

    async def _renew(self, within_s: float) -> bool | None:
        """Take or renew the lease; whether it is ours now, ``None`` when that is not known."""
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(within_s):
                ours = await self._try()
        except (ApiError, TimeoutError) as exc:
            log.warning("lease not renewed", extra={"error": str(exc) or "timeout"})
            return None
        if ours:
            self.renewed_s = began_s
        return ours

    async def release(self) -> None:
        """Let another process have it at once."""
        with contextlib.suppress(ApiError):
            lease = await self._api.get(LEASE, self._namespace, self._name)
            if lease is not None and lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._api.replace(lease)

    async def _try(self) -> bool:
        """Take or renew the lease, if it is ours or free; whether it is ours now."""
        lease = await self._api.get(LEASE, self._namespace, self._name)
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
        meta = {"name": self._name, "namespace": self._namespace}
        spec = taken({}, self._identity, datetime.now(UTC))
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": meta, "spec": spec}


async def hold_apart(namespace: str, identity: str, since_s: float, name: str = LEASE_NAME) -> None:
    """Renew a lease that this process has, on a thread, loop and connection of its own; returns when it is lost.

    Thousands of changes at once keep the process's main loop busy for longer than a renewal may take.

    Args:
        namespace: Where the lease is.
        identity: As it was taken.
        since_s: When the try that took it was begun, by the steady clock.
        name: Of the lease.
    """
    ended = threading.Event()

    async def hold() -> None:
        async with KubeApi() as api:
            await Election(api, namespace, identity, name).hold(since_s, ended.is_set)

    renewing = asyncio.create_task(asyncio.to_thread(asyncio.run, hold()))
    try:
        await asyncio.shield(renewing)
    finally:
        ended.set()
        await renewing  # so that no renewal comes after the lease was given back


def lease_name(operator_class: str) -> str:
    """The lease of the operators of a class: two classes may live in one namespace. Pure."""
    return LEASE_NAME.replace("operator", f"operator-{operator_class}", 1) if operator_class else LEASE_NAME


def taken(spec: Mapping[str, Any], identity: str, now: datetime) -> dict[str, Any]:
    """A lease's spec as its new or renewing holder writes it. Pure."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    renewal = {"holderIdentity": identity, "renewTime": stamp, "leaseDurationSeconds": round(DURATION_S)}
    if spec.get("holderIdentity") == identity:
        return {**spec, **renewal}
    transitions = int(spec.get("leaseTransitions") or 0) + (1 if spec else 0)
    return {**spec, **renewal, "acquireTime": stamp, "leaseTransitions": transitions}
