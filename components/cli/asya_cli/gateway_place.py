"""Which gateway a command talks to, and with which token.

First of: ``--gateway``; ``ASYA_TOOL_MCP_URL``, ``ASYA_CLI_MCP_URL``, ``ASYA_GATEWAY_URL``; the running local mesh. The token:
``--token-file``, ``ASYA_GATEWAY_TOKEN``; the local mesh's own for its own gateway, and for nobody else.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from asya_cli.console import Console
from asya_cli.exit_codes import BadRequest, GatewayAway
from asya_cli.gateway_client import Gateway
from asya_cli.gateway_http import GatewayHttp, tidy_url
from asya_cli.up_words import up_words

VARIABLES: Final = ("ASYA_TOOL_MCP_URL", "ASYA_CLI_MCP_URL", "ASYA_GATEWAY_URL")
"""Where a URL is looked for: the quick start's name, that of Asya 0.1.1's command, and the sidecars'."""


def named_url(url: str | None, environ: Mapping[str, str]) -> str | None:
    """The gateway that the user named; ``None`` leaves the choice to the command."""
    return url or next((environ[name] for name in VARIABLES if environ.get(name)), None)


def open_gateway(url: str | None, token_file: Path | None, home: Path) -> Gateway:
    """Find the gateway and its token; nothing is asked yet.

    Raises:
        GatewayAway: Nobody named one, and no mesh with one is running.
        BadRequest: The URL or the token cannot be used.
    """
    gateway, _ = find_gateway(url, token_file, home)
    if gateway is None:
        cause = f"no gateway is known: none is named, and no mesh with one is running in {home}"
        raise GatewayAway(cause, f"{up_words()}; or set ASYA_GATEWAY_URL")
    return gateway


def find_gateway(url: str | None, token_file: Path | None, home: Path) -> tuple[Gateway | None, bool]:
    """Find the gateway, if there is one, and whether the user named it.

    Raises:
        BadRequest: The URL or the token cannot be used.
    """
    named = named_url(url, os.environ)
    own = own_gateway(home)
    if own is not None and (named is None or same_place(named, own[0])):
        chosen, token = own
    elif named is not None:
        chosen, token = named, os.environ.get("ASYA_GATEWAY_TOKEN", "").strip()
    else:
        return None, False
    if token_file is not None:
        token = _read_token(token_file)
    return Gateway(GatewayHttp(chosen, token or None)), named is not None


def warn_of_tools(gateway: Gateway, home: Path, console: Console) -> None:
    """Say it where the tools that are offered are not those of the files; of a mesh on this machine with the file and place."""
    told = gateway.broken_tools()
    if not told:
        return
    own = own_gateway(home)
    cause = mesh_words(home) if own is not None and same_place(gateway.url, own[0]) else ""
    console.warn(f"{told.removesuffix(': the log says why')}: {cause}" if cause else told)


def mesh_words(home: Path) -> str:
    """What the supervisor of the mesh on this machine says of all of it; empty when nothing is wrong."""
    from asya_local import mesh

    return mesh.status(home).message


def same_place(one: str, other: str) -> bool:
    """Whether two URLs name one gateway."""
    first, second = (tidy_url(url).replace("://localhost:", "://127.0.0.1:") for url in (one, other))
    return first == second


def own_gateway(home: Path) -> tuple[str, str] | None:
    """URL and token of the running mesh's gateway."""
    from asya_local import mesh

    info = mesh.find(home)
    if info is None or not info.gateway_url:
        return None
    return info.gateway_url, _read_token(info.gateway_token_file)


def _read_token(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise BadRequest(f"the token in {path} cannot be read: {exc}") from None
    if not token:
        raise BadRequest(f"there is no token in {path}")
    return token
