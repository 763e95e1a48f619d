"""A local mesh of the kinds of actors that users write, driven by the command line; a file for each thing that they meet."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.command_line import CommandLine, mesh_of
from tests.support.mesh import write_actor

HANDLERS = {
    "split": "def handle(p):\n    return [{'n': n, 'bad': n == p.get('bad')} for n in range(p['of'])]\n",
    "weak": "def handle(p):\n    if p['bad']:\n        raise KeyError('no paper')\n    return p['n']\n",
    "total": "def handle(p):\n    return {'got': p}\n",
    "slow": "import time\ndef handle(p):\n    time.sleep(p['s'])\n    return {'at': time.time()}\n",
    "ticking": (
        "import asyncio\nticks, task = 0, None\nasync def tick():\n    global ticks\n    while True:\n"
        "        await asyncio.sleep(0.02)\n        ticks += 1\n"
        "async def handle(p):\n    global task\n    task = task or asyncio.create_task(tick())\n    return {'ticks': ticks}\n"
    ),
    "broken": "\nimport nobody_has_it\ndef handle(p):\n    return p\n",
    "odd": "def handle(p):\n    return {'pages': [1, 2, {'vector': object()}]}\n",
    "killed": "import os, signal\ndef handle(p):\n    os.kill(os.getpid(), signal.SIGKILL)\n",
    "quiet": "def handle(p):\n    return None\n",
    "grouped": (
        "import asyncio\nasync def handle(p):\n    async def call():\n        raise ConnectionError('away')\n"
        "    async with asyncio.TaskGroup() as group:\n        group.create_task(call())\n"
    ),
    "steps": "import time\ndef handle(p):\n    time.sleep(p['s'])\n    return p\n",
    "torn": (
        "import time\ndef handle(p):\n    for n in range(4):\n        yield {'n': n}\n        time.sleep(0.1)\n"
        "    raise OSError('torn')\n"
    ),
    "books": "def handle(p):\n    return [{'of': of, 'bad': p.get('bad')} for of in p['books']]\n",
    "parts": "def handle(p):\n    return [{'s': s} for s in p]\n",
    "reads": "import os\ndef handle(p):\n    return {name: os.environ.get(name) for name in p}\n",
    "mended": (
        "import pathlib\ndef handle(p):\n    if not pathlib.Path(p['flag']).exists():\n"
        "        raise RuntimeError('no flag')\n    return {'mended': True}\n"
    ),
}
SHADOWS = ("msgspec.py", "pika.py", "asya_protocol.py", "handlers.py", "queue.py")
"""Files of a user's that have the names of what our own processes import."""
MORE: dict[str, dict[str, Any]] = {
    "ticking": {"scaling": {"enabled": True, "minReplicas": 1, "maxReplicas": 1}},
    "slow": {"scaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 2}},
    "steps": {"scaling": {"enabled": True, "minReplicas": 1, "maxReplicas": 1}},
    "odd": {"retry": {"maxAttempts": 3, "initialDelay": "100ms"}},
    "grouped": {"retry": {"maxAttempts": 3, "initialDelay": "100ms", "nonRetryable": ["ConnectionError"]}},
    "killed": {"delivery": {"maxDeliveries": 2}},
    "reads": {"env": {"PLACE": "base", "WHERE": "/models/$(PLACE)", "GONE": None, "SOCKET": "$(ASYA_SOCKET_DIR)/x"}},
}
TOOLS = """tools:
  - {name: call_broken, route: [broken]}
  - {name: call_nobody, route: [total, nobody]}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One mesh for them all."""
    for item in items:
        if "component/users" in item.path.as_posix():
            item.add_marker(pytest.mark.xdist_group("users"))


@pytest.fixture(scope="session")
def asya(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The command line in the folder of a mesh that is up."""
    folder = tmp_path_factory.mktemp("users")
    for name, code in HANDLERS.items():
        write_actor(folder, name, code, **{"retry": {"maxAttempts": 1}, **MORE.get(name, {})})
    for name in SHADOWS:
        (folder / name).write_text("raise RuntimeError('imported by somebody else')\n")
    (folder / ".env").write_text("FROM_DOTENV=kept\n")
    (folder / "tools.yaml").write_text(TOOLS)
    with mesh_of(folder) as command_line:
        yield command_line


def sent(asya: CommandLine, *route: str, payload: Any, envelope_id: str) -> str:
    """Send one envelope."""
    done = asya("send", *route, "--id", envelope_id, "--payload", json.dumps(payload))
    assert done.code == 0, done.err
    return envelope_id


def ended(asya: CommandLine, envelope_id: str) -> tuple[int, Any]:
    """Wait for an end: the exit code of ``asya result``, and its document."""
    done = asya("result", envelope_id, "--wait", "90s", "--json")
    return done.code, json.loads(done.out) if done.out else done.err


def soon(look: Any, wanted: str, limit_s: float = 90.0) -> str:
    """Ask until the answer has some words."""
    until_s = time.monotonic() + limit_s
    while wanted not in (said := str(look())):
        assert time.monotonic() < until_s, said
        time.sleep(0.2)
    return said
