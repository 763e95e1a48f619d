"""Where MCP clients learn who gives out tokens for this gateway: OAuth's protected resource metadata (RFC 9728)."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from asya_gateway.requests import json_answer, rooms

PATH: Final = "/.well-known/oauth-protected-resource"
PATHS: Final = frozenset({PATH, f"{PATH}/mcp"})
"""The second is where clients of ``/mcp`` look first."""
SCOPES: Final = ("call:*", "read", "cancel")
"""What a person or an agent asks for; the others are for processes of the mesh."""


def challenge(public_url: str) -> str:
    """Write what a refusal says about getting in."""
    return f'Bearer resource_metadata="{public_url}{PATH}"' if public_url else "Bearer"


async def show(request: Request) -> Response:
    """Name the provider."""
    here = rooms(request)
    if not here.public_url or not here.issuer:
        raise HTTPException(404, "Not found")
    return json_answer(
        {
            "resource": f"{here.public_url}/mcp",
            "authorization_servers": [here.issuer],
            "bearer_methods_supported": ["header"],
            "scopes_supported": SCOPES,
        }
    )


ROUTES: Final = [Route(path, show, methods=["GET"]) for path in sorted(PATHS)]
