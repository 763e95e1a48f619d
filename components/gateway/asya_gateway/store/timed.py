"""Any store, with every call timed and every failure counted."""

import functools
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from asya_gateway.metrics import Metrics
from asya_gateway.store.port import EnvelopeStore
from asya_protocol.errors import StoreUnavailable

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class TimedStore:
    """A store whose calls are timed.

    Args:
        store: What does the work.
        metrics: Where seconds and failures are counted, by the method's name.
    """

    def __init__(self, store: EnvelopeStore, metrics: Metrics) -> None:
        self._metrics = metrics
        self.open = self._timed(store.open)
        self.ping = self._timed(store.ping)
        self.create = self._timed(store.create)
        self.create_once = self._timed(store.create_once)
        self.claim = self._timed(store.claim)
        self.claim_sent = self._timed(store.claim_sent)
        self.take_over = self._timed(store.take_over)
        self.get = self._timed(store.get)
        self.children = self._timed(store.children)
        self.owned = self._timed(store.owned)
        self.announce = self._timed(store.announce)
        self.report = self._timed(store.report)
        self.history = self._timed(store.history)
        self.page = self._timed(store.page)
        self.summaries = self._timed(store.summaries)
        self.counts = self._timed(store.counts)
        self.completed = self._timed(store.completed)
        self.expire = self._timed(store.expire)
        self.purge = self._timed(store.purge)
        self.forget = self._timed(store.forget)
        self.close = self._timed(store.close)

    def _timed(self, method: Callable[Given, Awaitable[Answer]]) -> Callable[Given, Coroutine[Any, Any, Answer]]:
        name, metrics = method.__name__, self._metrics

        @functools.wraps(method)
        async def call(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
            began_s = time.perf_counter()
            try:
                return await method(*args, **kwargs)
            except StoreUnavailable:
                metrics.store_errors.labels(name).inc()
                raise
            finally:
                metrics.store_seconds.labels(name).observe(time.perf_counter() - began_s)

        return call
