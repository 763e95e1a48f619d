"""Any store, with every call timed and every failure counted."""

import functools
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from asya_gateway.metrics import Metrics
from asya_gateway.store.delivery_port import DeliveryStore
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
        timed = _Timer(metrics).timed
        self.deliveries: DeliveryStore = _TimedDeliveries(store.deliveries, metrics)
        self.open = timed(store.open)
        self.ping = timed(store.ping)
        self.create = timed(store.create)
        self.create_once = timed(store.create_once)
        self.claim = timed(store.claim)
        self.claim_sent = timed(store.claim_sent)
        self.take_over = timed(store.take_over)
        self.get = timed(store.get)
        self.children = timed(store.children)
        self.owned = timed(store.owned)
        self.announce = timed(store.announce)
        self.report = timed(store.report)
        self.history = timed(store.history)
        self.page = timed(store.page)
        self.summaries = timed(store.summaries)
        self.counts = timed(store.counts)
        self.completed = timed(store.completed)
        self.expire = timed(store.expire)
        self.purge = timed(store.purge)
        self.forget = timed(store.forget)
        self.close = timed(store.close)


class _TimedDeliveries:
    def __init__(self, store: DeliveryStore, metrics: Metrics) -> None:
        timed = _Timer(metrics, "callbacks_").timed
        self.lease = timed(store.lease)
        self.delivered = timed(store.delivered)
        self.postpone = timed(store.postpone)
        self.kept = timed(store.kept)
        self.counts = timed(store.counts)
        self.redrive = timed(store.redrive)
        self.forget = timed(store.forget)


class _Timer:
    def __init__(self, metrics: Metrics, prefix: str = "") -> None:
        self._metrics = metrics
        self._prefix = prefix

    def timed(self, method: Callable[Given, Awaitable[Answer]]) -> Callable[Given, Coroutine[Any, Any, Answer]]:
        """Make it one that is timed."""
        name, metrics = f"{self._prefix}{method.__name__}", self._metrics

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
