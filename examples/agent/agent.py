"""The smallest agent: connects to the MCP server `asya` of .mcp.json, lists its tools, calls one and prints what comes out.

A model would choose the tool and write the arguments; here the command line does: agent.py TOOL '{"argument": "value"}'.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(server: dict[str, Any], tool: str, arguments: dict[str, object]) -> int:
    async with httpx2.AsyncClient(headers=server["headers"], timeout=300, trust_env=False) as http:
        transport = streamable_http_client(server["url"], http_client=http)
        async with Client(transport) as client:
            for known in (await client.list_tools()).tools:
                print(f"tool {known.name}: {known.description}", file=sys.stderr)
            # Asking for progress keeps the call open until the pipeline is done.
            answer = await client.call_tool(tool, arguments, progress_callback=tell)
    for part in answer.content:
        print(getattr(part, "text", part))
    return 1 if answer.is_error else 0


async def tell(progress: float, total: float | None, message: str | None) -> None:
    print(f"{progress:3.0f}% {message or ''}", file=sys.stderr)


if __name__ == "__main__":
    known_servers = json.loads(Path(".mcp.json").read_text(encoding="utf-8"))["mcpServers"]
    sys.exit(asyncio.run(main(known_servers["asya"], sys.argv[1], json.loads(sys.argv[2]))))
