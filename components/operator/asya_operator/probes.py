"""The operator's HTTP endpoints: ``/metrics`` on one address, ``/healthz`` and ``/readyz`` on another."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from asya_operator.metrics import Metrics
from asya_protocol.errors import SettingsError

Check = Callable[[], str | None]
"""Returns ``None`` when all is well, else what is not."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Endpoints:
    """Two small HTTP servers; ``close`` ends them."""

    def __init__(self, metrics: Metrics, *, healthy: Check, ready: Check) -> None:
        self._metrics = metrics
        self._healthy = healthy
        self._ready = ready
        self._runners: list[web.AppRunner] = []

    async def start(self, metrics_addr: str, probe_addr: str) -> None:
        """Listen.

        Raises:
            SettingsError: An address cannot be used.
        """
        await self._listen("--metrics-bind-address", metrics_addr, {"/metrics": self._serve_metrics})
        probes = {"/healthz": self._answer(self._healthy), "/readyz": self._answer(self._ready)}
        await self._listen("--health-probe-bind-address", probe_addr, probes)

    async def close(self) -> None:
        """Stop serving."""
        for runner in self._runners:
            await runner.cleanup()

    async def _serve_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": _TEXT})

    @staticmethod
    def _answer(check: Check) -> Handler:
        async def answer(_request: web.Request) -> web.Response:
            problem = check()
            return web.Response(status=200 if problem is None else 503, text=f"{problem or 'ok'}\n")

        return answer

    async def _listen(self, flag: str, addr: str, routes: Mapping[str, Handler]) -> None:
        host, separator, port = addr.rpartition(":")
        if not separator or not port.isdecimal():
            raise SettingsError(flag, f"{addr!r} is not host:port")
        app = web.Application()
        for path, handler in routes.items():
            app.router.add_get(path, handler)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
        except OSError as exc:
            raise SettingsError(flag, f"cannot listen on {addr!r}: {exc}") from exc
