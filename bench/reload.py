"""How soon an edit of a handler answers, in a local mesh on the memory transport."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

from asya_local import mesh
from bench.figures import SECTION, Bound, Report, percentile
from tests.support.mesh import RunningMesh, running_mesh, short_home, write_actor

RELOAD: Final = Bound(1, source=SECTION)
ACTOR: Final = "greet"
EDITS: Final = 5
LIMIT_S: Final = 60.0
LOOK_S: Final = 0.02


def code(version: int) -> str:
    """Write a handler that says which edit it is."""
    return f"def handle(payload):\n    return {{'version': {version}}}\n"


async def until_answered(running: RunningMesh, version: int) -> None:
    """Send one envelope after the other until the given code's answer is in the store.

    Raises:
        TimeoutError: It never was.
    """
    async with asyncio.timeout(LIMIT_S):
        while not any(found["payload"].get("version") == version for found in running.results().values()):
            await running.send([ACTOR], [{}])
            await asyncio.sleep(LOOK_S)


def measure(report: Report) -> None:
    """Edit a handler some times; from the write of the file to an answer of the new code in the store."""
    with tempfile.TemporaryDirectory(prefix="asya-bench-") as name:
        folder = Path(name)
        write_actor(folder, ACTOR, code(0), scaling={"enabled": False})
        with running_mesh(mesh.UpOptions(manifests=(folder,), transport="memory", home=short_home())) as running:
            running.up()
            asyncio.run(until_answered(running, 0))
            took_s: list[float] = []
            for version in range(1, EDITS + 1):
                (folder / f"{ACTOR}.py").write_text(code(version))
                began_s = time.perf_counter()
                asyncio.run(until_answered(running, version))
                took_s.append(time.perf_counter() - began_s)
    note = "from the file's write to an answer in the store"
    report.add("reload of an edited handler, p50", percentile(took_s, 50), "s", RELOAD, note)
    report.add("reload of an edited handler, slowest", max(took_s), "s", RELOAD, f"of {EDITS} edits")
