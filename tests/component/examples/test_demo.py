"""``make demo`` on few files: its last line is true, its exit code tells, and it leaves no process behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from asya_local import mesh
from tests.support.mesh import RunningMesh, short_home

DEMO = Path(__file__).parents[3] / "examples" / "code-census" / "demo.py"
LIMIT_S = 540.0

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(600)]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for the mesh; none of its processes may live on."""
    folder = short_home()
    yield folder
    running = RunningMesh(mesh.UpOptions(manifests=(), home=folder))
    leftovers = running.processes() if (folder / "mesh-id").exists() else []
    mesh.down(folder, print)
    shutil.rmtree(folder, ignore_errors=True)
    assert not leftovers, f"left behind: {leftovers}"


def start(home: Path, *words: str) -> subprocess.Popen[str]:
    argv = [sys.executable, str(DEMO), "--home", str(home), *words]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ))


def test_every_file_is_accounted_for_and_the_broken_take_the_error_path(home: Path):
    demo = start(home, "--limit", "15", "--patience", "300", "--trace")
    printed, _ = demo.communicate(timeout=LIMIT_S)
    assert demo.returncode == 0, printed
    last = re.fullmatch(
        r"demo: sent 15, succeeded (\d+), failed (\d+), lost 0, in [\d.]+ s", printed.rstrip().splitlines()[-1]
    )
    assert last is not None, printed
    succeeded, failed = map(int, last.groups())
    assert succeeded + failed == 15
    assert failed >= 1
    assert re.search(r"^demo: watch it in the console: http://127\.0\.0\.1:\d+/ ", printed, re.MULTILINE), printed
    assert "demo: the gateway knows all 15 ends too" in printed
    assert "the ten most complex modules" in printed
    totals = re.search(r"demo: totals of (\d+) modules \((\d+) do not parse\): \d+ lines", printed)
    assert totals is not None, printed
    assert sum(map(int, totals.groups())) == 15
    assert re.search(r"^demo: its charts were at http://127\.0\.0\.1:\d+/#/charts", printed, re.MULTILINE), printed
    tree = printed[re.search(r"^trace [0-9a-f]{32}, \d+ spans:$", printed, re.MULTILINE).start() :]  # type: ignore[union-attr]
    for step in ("process asya-modules", "send asya-parse", "more: send asya-parse", "process asya-totals"):
        assert step in tree, printed


def test_ctrl_c_takes_the_mesh_down(home: Path):
    demo = start(home)
    assert demo.stdout is not None
    read_until(demo, "one envelope to modules")
    demo.send_signal(signal.SIGINT)
    printed, _ = demo.communicate(timeout=LIMIT_S)
    assert demo.returncode == 130, printed
    assert not mesh.status(home).running


def read_until(process: subprocess.Popen[str], text: str) -> None:
    """Read a process's output until a line holds the text."""
    assert process.stdout is not None
    watchdog = threading.Timer(LIMIT_S, process.kill)
    watchdog.start()
    try:
        seen = []
        for line in process.stdout:
            seen.append(line)
            if text in line:
                return
    finally:
        watchdog.cancel()
    raise AssertionError(f"the demo never said {text!r}, but:\n{''.join(seen)}")
