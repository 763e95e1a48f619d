"""The middleware before all routes: checks Origin and token, applies the rate limit, counts requests.

Requests of web pages of other origins are refused even when authentication is off: a page that a developer happens to visit
must not call tools on the gateway of the same machine. A page could also point its own host name at that machine (DNS
rebinding), which makes Origin and Host equal, and a browser leaves Origin out of what a page only reads; without tokens the
host name has to be a known one as well, or one that no public name server can give out.

A stream ends with its token: a browser, or an agent, must not read on for days with a token that has expired.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asya_gateway.access.body_budget import Held
from asya_gateway.access.buckets import Buckets
from asya_gateway.access.hosts import is_ours
from asya_gateway.access.oidc import ProviderAway
from asya_gateway.access.tokens import EVERYONE, Caller, Door
from asya_gateway.metrics import Metrics

log: Final = logging.getLogger(__name__)

REPORTS: Final = ("/progress", "/final", "/active")
REPORT_PATHS: Final = frozenset({"/envelopes", "/reports", "/pieces"})
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Those that are counted by name; a caller may make up any other."""
HEADERS: Final = (
    "Authorization", "Content-Type", "Last-Event-ID", "Mcp-Session-Id", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name",
    "Idempotency-Key",
)  # fmt: skip


CALLER: Final = "asya_caller"
MCP_PATH: Final = "/mcp"
RESOURCE_PATH: Final = "/.well-known/oauth-protected-resource"
"""Where a refusal sends clients to learn who gives out tokens (RFC 9728)."""
HELD: Final = "asya_held"
"""In a request's scope: the bytes of its body that it holds."""
LOOK_S: Final = 5.0
"""How often an open stream looks whether its token still holds."""
READS: Final = frozenset({"GET", "HEAD"})
"""Methods with which browsers send no Origin to what they take for the page's own server."""
PROBES: Final = frozenset({"/health", "/ready"})
"""Hold no data, and are asked by load balancers under any name."""


def caller(request: Request) -> Caller:
    """Return the authenticated caller of a request."""
    found: Caller = request.scope.get(CALLER, EVERYONE)
    return found


def caller_key(request: Request) -> str:
    """Name whose share of this process a request uses: the caller, or the address where nobody has a name."""
    return caller(request).name or (request.client.host if request.client else "")


def require_some_call(request: Request) -> None:
    """Check that the caller may call anything at all, before the body of a call is read.

    Raises:
        HTTPException: 403.
    """
    if not caller(request).calls:
        raise HTTPException(403, "Token lacks the scope call:<tool>")


def require(request: Request, scope: str) -> None:
    """Check that the caller has a scope.

    Raises:
        HTTPException: 403.
    """
    if not caller(request).may(scope):
        raise HTTPException(403, f"Token lacks the scope {scope}")


LIMIT: Final = "asya_limit"
"""In a request's scope: the rate limit, the caller's name in it, and how long the caller would have to wait."""


def expect_list(request: Request) -> None:
    """Let the caller list tools once beyond its rate: some clients do so after a call, and lose its result where that fails."""
    if LIMIT in request.scope:
        buckets, who, _ = request.scope[LIMIT]
        buckets.owed.add(who)


def beyond_rate(request: Request, is_list: bool) -> Response | None:
    """Refuse what was let through for a list that is owed to its caller, and is none."""
    buckets, who, pause_s = request.scope.get(LIMIT, (None, "", 0.0))
    if not pause_s:
        return None
    if is_list:
        buckets.owed.discard(who)
        return None
    return too_many(pause_s)


def too_many(pause_s: float) -> Response:
    """Refuse a request beyond the rate."""
    return PlainTextResponse("Too many requests\n", 429, {"Retry-After": str(int(pause_s) + 1)})


class AccessMiddleware:
    """Admits or refuses each request before it reaches its route.

    Args:
        app: The routes.
        door: The tokens.
        origins: Origins of other pages that may call.
        names: Host names of this gateway; without tokens, pages of other names may not call.
        public_url: Where clients learn who gives out tokens; empty where no provider does.
        buckets: The rate limit; ``None`` is without.
        metrics: Where requests are counted.
        open_paths: Paths that need no token.
        labels: Label of the metrics by endpoint.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        door: Door,
        origins: Collection[str],
        names: Collection[str],
        public_url: str,
        buckets: Buckets | None,
        metrics: Metrics,
        open_paths: Collection[str],
        labels: Mapping[object, str],
    ) -> None:
        self._app = app
        self._door = door
        self._origins = origins
        self._names = names if door.callers is None else None
        self._challenge = f'Bearer resource_metadata="{public_url}{RESOURCE_PATH}"' if public_url else "Bearer"
        self._buckets = buckets
        self._metrics = metrics
        self._open = open_paths
        self._labels = labels

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()
        watch: asyncio.Task[None] | None = None

        async def watched(message: Message) -> None:
            nonlocal watch
            if message["type"] == "http.response.start":
                self._count(scope, message["status"], time.perf_counter() - began_s)
                _release(scope)
                if _is_stream(message):
                    watch = asyncio.create_task(self._end_with_token(scope[CALLER], limit))
            await send(message)

        answer = await self._refuse(scope)
        try:
            async with asyncio.timeout(None) as limit:
                await (answer or self._app)(scope, receive, watched)
        except TimeoutError:
            if watch is None:
                raise
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            _release(scope)
            if watch is not None:
                watch.cancel()

    async def _end_with_token(self, known: Caller, limit: asyncio.Timeout) -> None:
        while self._door.holds(known, time.time()):
            left_s = LOOK_S if known.until_s is None else min(LOOK_S, known.until_s - time.time())
            await asyncio.sleep(max(0.0, left_s))
        limit.reschedule(asyncio.get_running_loop().time())

    async def _refuse(self, scope: Scope) -> Response | None:
        request = Request(scope)
        if not self._expected(request):
            return PlainTextResponse("Origin not allowed\n", 403)
        if scope["path"] in self._open:
            return None
        try:
            known = await self._door.admit(request.headers.get("authorization"))
        except ProviderAway:
            return PlainTextResponse("Tokens cannot be checked now, try again\n", 503, {"Retry-After": "5"})
        if known is None:
            self._metrics.refused.labels("unauthorized").inc()
            return PlainTextResponse("Unauthorized\n", 401, {"WWW-Authenticate": self._challenge})
        scope[CALLER] = known
        return self._limit(request, known)

    def _expected(self, request: Request) -> bool:
        origin = request.headers.get("origin")
        if origin is None:
            return request.method not in READS or request.url.path in PROBES or self._known_host(request)
        if origin in self._origins:
            return True
        try:
            page = urlsplit(origin)
        except ValueError:
            return False
        if not page.hostname or page.netloc != request.headers.get("host"):
            return False
        return self._known(page.hostname)

    def _known_host(self, request: Request) -> bool:
        host = request.headers.get("host", "")
        if any(urlsplit(origin).netloc == host for origin in self._origins):
            return True
        try:
            return self._known(urlsplit(f"//{host}").hostname or "")
        except ValueError:
            return False

    def _known(self, name: str) -> bool:
        return self._names is None or name in self._names or is_ours(name)

    def _limit(self, request: Request, known: Caller) -> Response | None:
        path = request.url.path
        if self._buckets is None or path == "/metrics":
            return None
        # A mesh that works hard must not be slowed by its reports; whoever may not report has no way around the limit.
        if known.may("report") and (path in REPORT_PATHS or path.endswith(REPORTS)):
            return None
        who = known.name or (request.client.host if request.client else "")
        pause_s = self._buckets.take(who, time.monotonic())
        request.scope[LIMIT] = self._buckets, who, pause_s
        if not pause_s or (path == MCP_PATH and who in self._buckets.owed):
            return None
        self._metrics.refused.labels("rate_limited").inc()
        return too_many(pause_s)

    def _count(self, scope: Scope, status: int, took_s: float) -> None:
        route = self._labels.get(scope.get("endpoint"), "none")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.requests.labels(route, method if route != "none" else "", str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(took_s)


def _is_stream(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in message.get("headers", ())
    )


def _release(scope: Scope) -> None:
    held = scope.get(HELD)
    if isinstance(held, Held):
        held.release()


def with_origins(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """Add CORS headers for the origins that may call; without any, no page of another origin can read an answer."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=sorted(origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=HEADERS,
        expose_headers=["Mcp-Session-Id", "Retry-After", "Idempotent-Replayed"],
        max_age=600,
    )
