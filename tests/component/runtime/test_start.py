"""How a runtime starts in the world of its user: whose modules come first, what is told, process 1, a loop that lives on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.runtime_process import RUNTIME, WAIT_S, Client, RuntimeProcess, running, socket_folder

ENVELOPE = {"id": "1", "route": {"actors": ["a"], "current": 0}, "payload": {}}
TICKER = """
import asyncio
ticks = []
async def tick():
    while True:
        await asyncio.sleep(0.02)
        ticks.append(1)
class Ticker:
    task = None
    async def count(self, payload):
        self.task = self.task or asyncio.get_running_loop().create_task(tick())
        return {"ticks": len(ticks)}
"""


def write(folder: Path, name: str, text: str) -> dict[str, str]:
    """A module of the user's, and the environment in which it is found."""
    (folder / name).write_text(text)
    return {"PYTHONPATH": str(folder)}


def run_script(text: str, folder: Path, environ: dict[str, str], handler: str) -> "subprocess.CompletedProcess[str]":
    """Run the runtime with one of its constants changed, to its end."""
    script = f"import sys; sys.path.insert(0, {str(RUNTIME.parent)!r}); import asya_runtime; {text}"
    return subprocess.run(
        [sys.executable, "-c", f"{script}; sys.exit(asya_runtime.main())"],
        env={**os.environ, **environ, "ASYA_HANDLER": handler, "ASYA_SOCKET_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


@pytest.mark.parametrize("concurrency", ["", "2"])
def test_the_event_loop_runs_also_while_no_envelope_is_there(tmp_path: Path, concurrency: str) -> None:
    """A session that the handler keeps stays alive, a task of its own goes on."""
    environ = {**write(tmp_path, "ticker.py", TICKER), "ASYA_CONCURRENCY": concurrency}
    with running("ticker.Ticker.count", environ=environ) as runtime, runtime.connect() as client:
        client.hello()
        client.call_2(ENVELOPE)
        time.sleep(0.5)
        _, answer = client.call_2(ENVELOPE)
        assert answer is not None
        assert answer[0]["payload"]["ticks"] >= 10
        assert runtime.stop() == 0
        assert "Task was destroyed" not in runtime.log


def test_a_task_of_the_handler_that_exits_ends_neither_the_loop_nor_the_process(tmp_path: Path) -> None:
    module = "import asyncio, sys\nasync def leave():\n    sys.exit(0)\nasync def f(p):\n"
    environ = write(tmp_path, "leaver.py", f"{module}    asyncio.ensure_future(leave())\n    return p\n")
    with running("leaver.f", environ=environ) as runtime, runtime.connect() as client:
        client.hello()
        for _ in range(3):
            assert client.call_2(ENVELOPE)[1] is not None
            time.sleep(0.05)
        runtime.wait_log("a background task of the handler tried to end the process")


def test_modules_of_the_user_go_before_whatever_lies_beside_the_runtime(tmp_path: Path) -> None:
    """In a wheel that is all of site-packages."""
    beside, own = tmp_path / "site-packages", tmp_path / "mine"
    for folder, answer in ((beside, "ours"), (own, "mine")):
        (folder / "handlers").mkdir(parents=True)
        (folder / "handlers" / "__init__.py").touch()
        (folder / "handlers" / "ocr.py").write_text(f"def process(p): return {answer!r}\n")
    runtime_file = shutil.copy(RUNTIME, beside)
    with socket_folder() as folder:
        runtime = RuntimeProcess(
            "handlers.ocr.process", folder=folder, environ={"PYTHONPATH": str(own)}, runtime=runtime_file
        )
        try:
            with runtime.wait_ready().connect() as client:
                (answer,) = client.call(ENVELOPE) or []
                assert answer["payload"] == "mine"
        finally:
            runtime.stop()


def test_a_handler_whose_module_breaks_threads_is_refused_and_not_called_ready(tmp_path: Path) -> None:
    """Ready means that a ping was answered."""
    environ = write(tmp_path, "green.py", "import threading\nthreading.Thread.start = lambda self: None\nf = print\n")
    with socket_folder() as folder:
        done = run_script("asya_runtime.PING_S = 0.3", folder, environ, "green.f")
        assert done.returncode == 1
        assert "does not answer a ping within 0.3 s" in done.stderr
        assert list(folder.iterdir()) == []


def test_a_module_that_loads_long_has_its_place_in_the_log(tmp_path: Path) -> None:
    environ = write(tmp_path, "slow.py", "import time\ntime.sleep(1)\nraise ValueError('late')\n")
    with socket_folder() as folder:
        done = run_script("asya_runtime.TELL_LOADING_S = 0.2", folder, environ, "slow.f")
        assert 'slow.py", line 2 in <module>' in done.stderr
        assert "ValueError: late" in done.stderr


def test_a_child_that_a_module_forks_at_import_does_not_serve(tmp_path: Path) -> None:
    environ = write(tmp_path, "forks.py", "import os\nos.fork()\ndef f(p): return os.getpid()\n")
    with running("forks.f", environ=environ) as runtime, runtime.connect() as client:
        (answer,) = client.call(ENVELOPE) or []
        assert answer["payload"] == runtime.process.pid
        assert psutil.Process(runtime.process.pid).children() == [] or _all_zombies(runtime.process.pid)


def test_loading_alone_can_be_asked_for(tmp_path: Path) -> None:
    """``asya local up`` does, for actors that have no replica yet."""
    environ = write(tmp_path, "fine.py", "def f(p): return p\n")
    for handler, code, text in (("fine.f", 0, ""), ("fine.g", 1, "has no attribute g")):
        with socket_folder() as folder:
            done = run_script("sys.argv.append('--check')", folder, environ, handler)
            assert (done.returncode, text in done.stderr, list(folder.iterdir())) == (code, True, [])


def test_a_handler_that_cannot_be_loaded_is_told_to_kubernetes(tmp_path: Path) -> None:
    """With its file and line, so that the actor's status has them; nothing is made where no kubelet has."""
    log = tmp_path / "termination-log"
    environ = write(tmp_path, "broken.py", "\nimport nobody_has_it\n")
    text = f"asya_runtime.TERMINATION_LOG = {str(log)!r}"
    assert (run_script(text, tmp_path, environ, "broken.f").returncode, log.exists()) == (1, False)
    log.touch()
    assert run_script(text, tmp_path, environ, "broken.f").returncode == 1
    words = f"ModuleNotFoundError: No module named 'nobody_has_it', at {tmp_path / 'broken.py'}:2"
    assert log.read_text() == f"ASYA_HANDLER='broken.f': importing broken failed: {words}"


def test_a_thread_that_keeps_the_process_from_ending_is_named(tmp_path: Path) -> None:
    text = (
        "import threading, time\ndef f(p):\n    threading.Thread(target=time.sleep, args=(1,), name='keeper').start()\n"
    )
    with running("left.f", environ=write(tmp_path, "left.py", text)) as runtime, runtime.connect() as client:
        client.call(ENVELOPE)
        runtime.process.terminate()
        runtime.wait_log("keep the process from ending: keeper")
        assert runtime.wait_exit() == 0


@contextmanager
def as_process_1(
    handler: str, environ: dict[str, str]
) -> Iterator[tuple["subprocess.Popen[bytes]", psutil.Process, Path]]:
    """The runtime as process 1 of a namespace of its own: the command, process 1 as seen from here, the socket folder."""
    unshare = shutil.which("unshare")
    if (
        unshare is None
        or subprocess.run([unshare, "--pid", "--fork", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine lets nobody make a process namespace")
    with socket_folder() as folder:
        command = subprocess.Popen(
            [unshare, "--pid", "--fork", "--kill-child", sys.executable, str(RUNTIME)],
            env={**os.environ, **environ, "ASYA_HANDLER": handler, "ASYA_SOCKET_DIR": str(folder)},
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + WAIT_S
            while not (folder / "runtime-ready").exists():
                assert command.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield command, psutil.Process(command.pid).children()[0], folder
        finally:
            command.kill()
            command.wait(WAIT_S)


def test_as_process_1_it_reaps_orphans_and_passes_signals_on(tmp_path: Path) -> None:
    """As the only process of a container there is nobody else who would."""
    module = "import subprocess\ndef f(p):\n    subprocess.run('sleep 0.1 & sleep 0.1 &', shell=True)\n"
    with as_process_1("orphans.f", write(tmp_path, "orphans.py", module)) as (command, first, folder):
        (worker,) = first.children()
        with Client(folder / "asya-runtime.sock") as client:
            client.call(ENVELOPE)
        deadline = time.monotonic() + WAIT_S
        while first.children() != [worker]:
            assert time.monotonic() < deadline, first.children()
            time.sleep(0.02)
        first.send_signal(signal.SIGTERM)
        assert command.wait(WAIT_S) == 0


def test_as_process_1_it_ends_with_the_code_of_the_one_that_works(tmp_path: Path) -> None:
    with as_process_1("fine.f", write(tmp_path, "fine.py", "def f(p): return p\n")) as (command, first, folder):
        note = folder / "runtime-end"
        assert note.read_bytes() == b""
        first.children()[0].kill()
        assert command.wait(WAIT_S) == 128 + signal.SIGKILL
        assert json.loads(note.read_bytes()) == {"signal": signal.SIGKILL}


def test_as_process_1_it_notes_an_exit_code_for_the_sidecar(tmp_path: Path) -> None:
    module = write(tmp_path, "leaves.py", "import os\ndef f(p): os._exit(3)\n")
    with as_process_1("leaves.f", module) as (command, _first, folder):
        with Client(folder / "asya-runtime.sock") as client:
            client.send(ENVELOPE)
            assert command.wait(WAIT_S) == 3
        assert json.loads((folder / "runtime-end").read_bytes()) == {"exit_code": 3}


def _all_zombies(pid: int) -> bool:
    return all(child.status() == psutil.STATUS_ZOMBIE for child in psutil.Process(pid).children())
