"""Tools that are read again while a gateway runs: what is broken is told, and ends nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asya_gateway.metrics import Metrics
from asya_gateway.tools import toolbox
from asya_gateway.tools.toolbox import Toolbox
from asya_manifest.tools import read_texts

GOOD = "tools:\n- name: t\n  route: [a]\n"


@asynccontextmanager
async def watched(box: Toolbox) -> AsyncIterator[asyncio.Event]:
    changed = asyncio.Event()
    watching = asyncio.create_task(box.watch(0.001, changed.set))
    try:
        async with asyncio.timeout(60):
            yield changed
        assert not watching.done()
    finally:
        watching.cancel()


def swap(path: Path, more: str = "") -> None:
    """Replace a file at once, so that no look meets half of it."""
    new = path.with_suffix(".new")
    new.write_text(GOOD + more)
    new.rename(path)


async def until_broken(box: Toolbox) -> str:
    while box.problem is None:
        await asyncio.sleep(0.001)
    return box.problem


@pytest.mark.parametrize("value", ["!!timestamp 2024-02-30", "!!bool abc", "!!map [a]"])
async def test_a_value_that_cannot_be_read_stops_no_later_change(tmp_path: Path, value: str) -> None:
    path = tmp_path / "tools.yaml"
    swap(path)
    metrics = Metrics()
    box = Toolbox(path, metrics)
    async with watched(box) as changed:
        swap(path, f"  parameters: {{day: {{type: number, default: {value}}}}}\n")
        assert "tools.yaml: not YAML: " in await until_broken(box)
        assert metrics.registry.get_sample_value("asya_gateway_tools_stale") == 1
        assert list(box.tools) == ["t"]
        swap(path, "  description: mended\n")
        await changed.wait()
    assert (box.tools["t"].description, box.problem) == ("mended", None)
    assert metrics.registry.get_sample_value("asya_gateway_tools_stale") == 0


async def test_a_look_that_fails_for_another_reason_is_told_and_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Path | None) -> list[tuple[str, str]]:
        raise RuntimeError("a defect of ours")

    path = tmp_path / "tools.yaml"
    swap(path)
    box = Toolbox(path)
    monkeypatch.setattr(toolbox, "read_texts", fail)
    async with watched(box) as changed:
        assert await until_broken(box) == "RuntimeError: a defect of ours"
        swap(path, "  description: mended\n")
        monkeypatch.setattr(toolbox, "read_texts", read_texts)
        await changed.wait()
    assert (box.tools["t"].description, box.problem) == ("mended", None)
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 1, "once for every problem, not at every look"
    assert told[0].exc_info is not None
