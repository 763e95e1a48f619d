"""The local mesh on SQS and S3: it starts LocalStack itself, hands it to the next supervisor, and ends it."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from asya_local import mesh
from asya_store.factory import open_store
from lab.servers.localstack import require_server
from lab.waits import wait_until
from tests.support.mesh import RunningMesh, running_mesh, short_home, write_actor

HELD = """\
import pathlib, time
def handle(payload):
    while not pathlib.Path(payload["gate"]).exists():
        time.sleep(0.05)
    return payload
"""
HELLO = Path(__file__).parents[2] / "support" / "hello_actor.yaml"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def sqs_mesh(tmp_path: Path) -> Iterator[RunningMesh]:
    """A mesh on a LocalStack of its own."""
    require_server()
    write_actor(tmp_path, "slow", HELD)
    options = mesh.UpOptions(manifests=(tmp_path, HELLO), transport="sqs", home=short_home())
    with running_mesh(options) as running:
        yield running


def stored(home: Path, envelope_id: str, limit_s: float = 180.0) -> dict[str, Any]:
    """Wait for a result in S3."""
    info = mesh.find(home)
    assert info is not None
    store = open_store(info.environment())
    assert store is not None
    key = f"happy-asya/{envelope_id}.json"
    wait_until(
        lambda: store.get(key), limit_s, key, lambda: "\n".join(map(str, mesh.logs(home, None, lines=10))), poll_s=0.2
    )
    found = json.loads(store.get(key) or b"")
    assert isinstance(found, dict)
    return found


def servers(home: Path) -> list[int]:
    """Processes that work in the mesh's LocalStack folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd().startswith(str(home / "localstack")) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


async def test_the_whole_mesh_runs_on_a_localstack_of_its_own(sqs_mesh: RunningMesh, tmp_path: Path):
    """0 -> N -> 0, results in S3, a killed supervisor, a take-over, and nothing left at the end."""
    info = sqs_mesh.up()
    assert info.transport == "sqs"
    gate = tmp_path / "gate"
    ids = await sqs_mesh.send(["slow"], [{"gate": str(gate), "n": number} for number in range(8)])
    sqs_mesh.until(lambda actor: actor.replicas >= 2, "slow")
    gate.touch()
    (hello,) = await sqs_mesh.send(["hello-actor"], [{"who": "SQS"}])
    assert [stored(sqs_mesh.home, envelope_id)["payload"]["n"] for envelope_id in ids] == list(range(8))
    assert stored(sqs_mesh.home, hello)["payload"] == {"message": "Hello SQS!"}
    napping = sqs_mesh.until(lambda actor: actor.status == "Napping", "slow", limit_s=180)
    assert (napping.failed, napping.restarts) == (0, 0)

    before = servers(sqs_mesh.home)
    waiting = await sqs_mesh.send(["slow"], [{"gate": str(gate), "n": 99}])
    os.kill(info.pid, signal.SIGKILL)
    again = sqs_mesh.up()
    assert again.pid != info.pid
    assert before
    assert servers(sqs_mesh.home) == before
    assert stored(sqs_mesh.home, waiting[0])["payload"]["n"] == 99

    assert sqs_mesh.down()
    assert servers(sqs_mesh.home) == []
