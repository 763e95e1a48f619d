"""OAuth's protected resource metadata (RFC 9728): tells MCP clients which provider issues tokens for this gateway."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from asya_gateway.access.middleware import RESOURCE_PATH
from asya_gateway.requests import app_of, json_answer

PATHS: Final = frozenset({RESOURCE_PATH, f"{RESOURCE_PATH}/mcp"})
"""The second is where clients of ``/mcp`` look first."""
SCOPES: Final = ("call:*",)
"""What an agent needs, for clients ask for all that is listed. One's own envelopes need no scope; `read` and `cancel` are for
those of everybody, and an operator asks for them by name."""


async def show(request: Request) -> Response:
    """Return the metadata."""
    settings = app_of(request).settings
    if not settings.public_url or not settings.door.issuer:
        raise HTTPException(404, "Not found")
    return json_answer(
        {
            "resource": f"{settings.public_url}/mcp",
            "authorization_servers": [settings.door.issuer],
            "bearer_methods_supported": ["header"],
            "scopes_supported": SCOPES,
        }
    )


ROUTES: Final = [Route(path, show, methods=["GET"]) for path in sorted(PATHS)]
