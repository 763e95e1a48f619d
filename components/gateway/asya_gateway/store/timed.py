"""A proxy of any envelope store that times every call and counts failures."""

import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from asya_gateway.metrics import Metrics
from asya_gateway.store.port import EnvelopeStore
from asya_protocol.errors import StoreUnavailable


def timed(store: EnvelopeStore, metrics: Metrics) -> EnvelopeStore:
    """Time a store."""
    return cast("EnvelopeStore", _Timed(store, metrics))


class _Timed:
    def __init__(self, store: EnvelopeStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    def __getattr__(self, name: str) -> object:
        wrapped = self._wrap(name, getattr(self._store, name))
        setattr(self, name, wrapped)  # found without this method the next time
        return wrapped

    def _wrap(self, name: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        seconds, errors = self._metrics.store_seconds.labels(name), self._metrics.store_errors.labels(name)

        @functools.wraps(method)
        async def call(*args: object, **kwargs: object) -> object:
            began_s = time.perf_counter()
            try:
                return await method(*args, **kwargs)
            except StoreUnavailable:
                errors.inc()
                raise
            finally:
                seconds.observe(time.perf_counter() - began_s)

        return call
