"""The console's static files, from the folder ``console`` of this package. They need no token, for they hold no data.

The content security policy allows only files of this origin, and forbids turning text into markup or code.
"""

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",
}
"""Asked for anew each time and answered with 304, so that an upgrade is seen at once."""
TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def _read() -> Iterator[tuple[str, bytes]]:
    for part in files("asya_gateway").joinpath("console").iterdir():
        if part.name.rpartition(".")[2] in TYPES:
            yield ("/" if part.name == "index.html" else f"/console/{part.name}"), part.read_bytes()


PARTS: Final = dict(sorted(_read()))
"""Content by path; small, and read once."""
PATHS: Final = frozenset(PARTS)


async def page(request: Request) -> Response:
    """Send the page."""
    return _send(request, "/")


async def part(request: Request) -> Response:
    """Send a part of it."""
    return _send(request, request.url.path)


def _send(request: Request, path: str) -> Response:
    if path not in PARTS:
        raise HTTPException(404, "Not found")
    body = PARTS[path]
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {**HEADERS, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    kind = "html" if path == "/" else path.rpartition(".")[2]
    return Response(body, headers={**headers, "Content-Type": TYPES[kind]})


ROUTES: Final = [Route("/", page, methods=["GET"]), Route("/console/{name}", part, methods=["GET"])]
