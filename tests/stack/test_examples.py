"""The pipeline example on the real engine, as processes of this machine: made, used, unchanged, repaired, changed, gone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asya_local import mesh
from lab.checkout import ROOT
from tests.support.pulumi_project import project

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1500)]


def counted(summary: Any) -> dict[str, int]:
    return {str(key): count for key, count in (summary.resource_changes or {}).items()}


def test_a_pipeline_lives_on_a_laptop(tmp_path: Path) -> None:
    made = project(ROOT / "examples/pulumi-pipeline", tmp_path)
    home = made.folder / ".asya"
    stack = made.stack("local", {"asya:mesh": "local", "asya:queue": "memory"})
    try:
        first = stack.up(on_output=None)
        assert counted(first.summary) == {"create": 11}
        assert set(first.outputs["statuses"].value.values()) <= {"Napping", "Running"}
        argv = [
            str(Path(sys.executable).parent / "asya"),
            "send",
            "clean",
            "count",
            "rank",
            "--home",
            str(home),
            "--wait",
            "--timeout",
            "240s",
        ]
        sent = subprocess.run(
            [*argv, "--payload", '{"text": "to be or not to be"}'],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        assert json.loads(sent.stdout) == {"most": ["be", "to", "not"], "total": 6}
        argv = [
            str(Path(sys.executable).parent / "asya"),
            "call",
            "count_words",
            "--text",
            "a b a",
            "--home",
            str(home),
            "--wait",
        ]
        called = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)
        assert '"total": 3' in called.stdout

        assert counted(stack.up(expect_no_changes=True).summary) == {"same": 11}

        mesh.down(home, lambda _: None)  # as a reboot would
        assert counted(stack.up().summary) == {"same": 8, "update": 3}

        program = made.folder / "__main__.py"
        program.write_text(
            program.read_text(encoding="utf-8").replace("queue_length=10", "queue_length=3"), encoding="utf-8"
        )
        assert counted(stack.up().summary) == {"same": 8, "update": 3}
        assert "queueLength: 3" in (home / "stack/count.yaml").read_text(encoding="utf-8")
    finally:
        stack.destroy()
    assert mesh.find(home) is None
    assert list((home / "stack").iterdir()) == []
