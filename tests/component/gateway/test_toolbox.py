"""Tools that change while a gateway runs, as a mounted ConfigMap changes: by the swap of one symbolic link."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2

from tests.support.gateway_process import SESSION, Gateway

ONE = "tools: [{name: one, route: [echo]}]"
TWO = "tools: [{name: two, route: [echo], description: Newer}]"


class Mount:
    """A folder as a kubelet mounts a ConfigMap: files are links through ``..data`` to a folder that is never changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._revision = 0
        folder.mkdir()

    def publish(self, files: dict[str, str]) -> None:
        """Swap the whole content at once."""
        self._revision += 1
        version = self.folder / f"..2026_11_25_{self._revision}"
        version.mkdir()
        for name, text in files.items():
            (version / name).write_text(text)
        (self.folder / "..data_tmp").symlink_to(version.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        for link in self.folder.iterdir():
            if not link.name.startswith("..") and link.name not in files:
                link.unlink()


async def listed(http: httpx2.AsyncClient) -> list[str]:
    answer = await http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=SESSION)
    return [tool["name"] for tool in answer.json()["result"]["tools"]]


async def notifications(stream: httpx2.Response) -> AsyncIterator[str]:
    async for line in stream.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))["method"]


async def test_tools_follow_a_mounted_config_map(environ: dict[str, str], tmp_path: Path) -> None:
    mount = Mount(tmp_path / "tools")
    settings = {"ASYA_CONFIG_PATH": str(mount.folder), "ASYA_GATEWAY_TOOLS_RELOAD": "0.1s"}
    with Gateway({**environ, **settings}) as gateway:
        async with gateway.client() as http, http.stream("GET", "/mcp", headers=SESSION) as stream, asyncio.timeout(60):
            told = notifications(stream)
            assert await listed(http) == []  # a gateway is there before its first tool
            mount.publish({"one.yaml": ONE})
            assert await anext(told) == "notifications/tools/list_changed"
            assert await listed(http) == ["one"]
            mount.publish({"one.yaml": ONE, "two.yaml": TWO})
            assert await anext(told) == "notifications/tools/list_changed"
            assert await listed(http) == ["one", "two"]
            assert (await http.post("/tools/call", json={"name": "two"})).status_code == 200
            mount.publish({"one.yaml": ONE, "two.yaml": "tools: [{name: two}]"})
            while (ready := await http.get("/ready")).text == "OK\n":
                await asyncio.sleep(0.02)
            assert (ready.status_code, ready.text[:37]) == (200, "OK, but the tool files are broken and")
            assert await listed(http) == ["one", "two"]
            figures = (await http.get("/metrics")).text
            assert "asya_gateway_tools_stale 1.0" in figures
            assert 'asya_gateway_tool_reloads_total{result="failed"} 1.0' in figures
            assert 'asya_gateway_tool_reloads_total{result="changed"} 2.0' in figures
            assert 'asya_gateway_open_streams{kind="mcp"} 1.0' in figures
            mount.publish({"two.yaml": TWO})
            assert await anext(told) == "notifications/tools/list_changed"
            assert (await listed(http), (await http.get("/ready")).text) == (["two"], "OK\n")
        assert gateway.stop() == 0
        (broken,) = [json.loads(line) for line in gateway.lines if "last good ones stay" in line]
        assert broken["level"] == "ERROR"
        assert "two.yaml: tools[0] (two): route has no actors or template" in broken["error"]
