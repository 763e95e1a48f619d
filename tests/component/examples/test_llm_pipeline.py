"""examples/llm-pipeline on a local mesh: two actors and their replicas share one limit, tenant by tenant."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from asya_local import mesh
from lab.checkout import ROOT
from tests.support.mesh import RunningMesh, running_mesh, short_home
from tests.support.pages import Shell, fences

EXAMPLE = ROOT / "examples" / "llm-pipeline"
TENANTS = ("acme", "globex")
EACH = 4


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[RunningMesh]:
    for name in ("actors.yaml", "llm.py"):
        shutil.copyfile(EXAMPLE / name, tmp_path / name)
    options = mesh.UpOptions(manifests=(tmp_path,), transport="memory", home=short_home(), gateway=False)
    with running_mesh(options) as running:
        running.up()
        yield running


async def test_two_actors_share_a_limit_and_a_429_pauses_its_tenant_alone(
    pipeline: RunningMesh, tmp_path: Path
) -> None:
    """Never two calls of a tenant at once, over both actors and all replicas; nothing fails, nothing is lost."""
    journal = tmp_path / "journal"
    payloads = [
        {
            "about": f"queue {number}",
            "tenant": tenant,
            "maxTokens": 500,
            "journal": str(journal),
            **({"refuseOnce": str(tmp_path / "refused")} if tenant == "acme" and number == 0 else {}),
        }
        for number in range(EACH)
        for tenant in TENANTS
    ]
    ids = await pipeline.send(
        ["draft", "review"], payloads, headers=[{"tenant": payload["tenant"]} for payload in payloads]
    )
    found = pipeline.until_results(ids)
    assert all(found[envelope_id]["payload"]["text"] for envelope_id in ids)
    assert (tmp_path / "refused").exists()
    running: Counter[str] = Counter()
    for line in journal.read_text().splitlines():
        word, tenant = line.split(" ")
        running[tenant] += 1 if word == "begin" else -1
        assert running[tenant] <= 1, line
    assert "throttled" not in json.dumps([found[each]["headers"] for each in ids])
    assert '"result":"failed"' not in pipeline.logs()


def test_what_its_page_says_runs() -> None:
    folder = short_home()
    folder.mkdir()
    shell = Shell(folder)
    for name in ("actors.yaml", "llm.py"):
        shutil.copyfile(EXAMPLE / name, folder / name)
    try:
        said = shell.follow(fences("examples/llm-pipeline/README.md"))
    finally:
        mesh.down(folder / ".asya", print)
        shutil.rmtree(folder, ignore_errors=True)
    assert "Shorten: Write about queues" in said
    assert "bill is due" in said
    assert "model: resumed" in said
