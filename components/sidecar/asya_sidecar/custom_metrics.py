"""Handlers' own metrics: a Unix socket beside the runtime's takes lines of JSON and shows them with the sidecar's.

No line can cost an envelope, and their number of series is bounded: what is not taken is said once in the log per metric and
reason, counted in ``custom_metrics_refused_total``, and otherwise passed over.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from asya_protocol import names
from asya_sidecar.core.custom_metric import (
    DEFAULT_BUCKETS,
    Declared,
    LineRefused,
    Reported,
    clean_name,
    read_line,
)
from asya_sidecar.metrics import Metrics

log: Final = logging.getLogger(__name__)

MOST_METRICS: Final = 100
MOST_SERIES: Final = 200
"""Label sets of one metric; a histogram has a dozen lines for each."""
MOST_TOLD: Final = 200
"""Complaints in the log, whatever a handler thinks up."""
LONGEST_LINE: Final = 16 * 1024
_KINDS: Final = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
Collector = Counter | Gauge | Histogram


class CustomMetrics:
    """The metrics of one actor's handler.

    Args:
        metrics: The sidecar's, in whose registry they are shown.
        declared: From ``ASYA_CUSTOM_METRICS``.
        also: Told of each value that was taken.
    """

    def __init__(
        self, metrics: Metrics, declared: Sequence[Declared] = (), also: Callable[[Reported], None] | None = None
    ) -> None:
        self._metrics = metrics
        self._also = also
        self._registry: CollectorRegistry = metrics.registry
        self._known: dict[str, tuple[Collector, tuple[str, ...]]] = {}
        self._series: dict[str, set[tuple[str, ...]]] = {}
        self._told: set[tuple[str, str]] = set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._socket: Path | None = None
        for each in declared:
            self._declare(each)

    async def listen(self, socket_dir: Path) -> None:
        """Take lines; a folder that cannot be written costs the handler's metrics, and nothing else."""
        self._socket = socket_dir / names.METRICS_SOCKET_NAME
        try:
            with suppress(FileNotFoundError):
                self._socket.unlink()
            self._server = await asyncio.start_unix_server(self._serve, str(self._socket), limit=LONGEST_LINE)
            self._socket.chmod(0o666)  # the runtime may run as another user, as with its own socket
        except OSError as exc:
            log.warning("handlers cannot report metrics", extra={"error": str(exc), "socket": str(self._socket)})

    async def close(self) -> None:
        """Take no more."""
        if self._server is not None and self._socket is not None:
            self._server.close()
            for writer in self._writers:
                writer.close()
            with suppress(OSError):
                self._socket.unlink()

    def take(self, line: bytes) -> None:
        """Take one line. Never raises."""
        try:
            said = read_line(line)
            self._observe(said)
            if self._also is not None:
                self._also(said)
        except LineRefused as exc:
            self._refuse(exc.reason, str(exc))

    def _observe(self, said: Reported) -> None:
        collector, labels = self._collector(said)
        if set(labels) != set(said.labels):
            raise LineRefused("labels", f"{said.name}: its labels are {', '.join(labels) or 'none'}")
        values = tuple(said.labels[name] for name in labels)
        series = self._series.setdefault(said.name, set())
        if values not in series:
            if len(series) >= MOST_SERIES:
                raise LineRefused("full", f"{said.name}: has {MOST_SERIES} sets of labels already; a label is no id")
            series.add(values)
        child = collector.labels(*values) if labels else collector
        if isinstance(child, Counter):
            if said.value < 0:
                raise LineRefused("value", f"{said.name}: a counter does not go down")
            child.inc(said.value)
        elif isinstance(child, Gauge):
            child.set(said.value)
        else:
            child.observe(said.value)

    def _collector(self, said: Reported) -> tuple[Collector, tuple[str, ...]]:
        known = self._known.get(said.name)
        if known is None:
            kind = said.kind or ("counter" if said.name.endswith("_total") else "gauge")
            if len(self._known) >= MOST_METRICS:
                raise LineRefused("full", f"there are {MOST_METRICS} metrics of the handler's own already")
            known = self._make(said.name, kind, said.help, tuple(said.labels), DEFAULT_BUCKETS)
        if said.kind is not None and not isinstance(known[0], _KINDS[said.kind]):
            raise LineRefused("kind", f"{said.name} is no {said.kind}")
        return known

    def _declare(self, each: Declared) -> None:
        if each.type not in _KINDS:
            log.warning("custom metric of an unknown type", extra={"metric": each.name, "type": each.type})
            return
        try:
            self._make(clean_name(each.name), each.type, each.help, each.labels, each.buckets or DEFAULT_BUCKETS)
        except LineRefused as exc:
            self._refuse(exc.reason, str(exc))

    def _make(
        self, name: str, kind: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]
    ) -> tuple[Collector, tuple[str, ...]]:
        more = {"buckets": buckets} if kind == "histogram" else {}
        try:
            made: Collector = _KINDS[kind](
                name, text or "A metric of the handler's own.", labels, registry=None, **more
            )
            self._registry.register(made)
        except ValueError as exc:
            raise LineRefused("name", f"{name}: {exc}") from None
        self._known[name] = (made, labels)
        return self._known[name]

    def _refuse(self, reason: str, text: str) -> None:
        self._metrics.custom_refused(reason)
        about = (reason, text.partition(":")[0])
        if about not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(about)
            log.warning("handler's metric not taken", extra={"actor": self._metrics.actor, "why": text})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                self.take(line)
        except ValueError:
            self._refuse("line", f"a line is longer than {LONGEST_LINE} bytes")
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
