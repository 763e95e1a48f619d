"""The policy pack on the real engine: our own stacks keep it, and what it is about is refused before it is made."""

from pathlib import Path

import pytest
from pulumi import automation
from pulumi.automation import CommandError

from lab.checkout import ROOT
from lab.pulumi_standins.kubernetes.recorder import recorded
from tests.stack.conftest import Clouds
from tests.support.policy_pack import runnable_pack
from tests.support.pulumi_project import Project, project
from tests.support.stack_program import Run

pytestmark = pytest.mark.timeout(1500)

PACK = ROOT / "infra/policies"


def with_pack(made: Project, stack: automation.Stack, folder: Path) -> str:
    """The pack's path, and its runner on the PATH of a stack that exists already."""
    pack = runnable_pack(PACK, made, folder)
    stack.workspace.env_vars = {**stack.workspace.env_vars, "PATH": made.environment["PATH"]}
    return pack


def test_the_environments_keep_it(environment: Run, tmp_path: Path) -> None:
    """While they are made, when every input is known; a violation fails the update."""
    made, stack = environment("oss", {"asya:monitoring": "true"})
    up = stack.up(policy_packs=[with_pack(made, stack, tmp_path)])
    assert recorded(made.recorded)
    assert "Policies:" in up.stdout and "asya" in up.stdout.split("Policies:", 1)[1]


def test_what_it_is_about_is_refused_in_a_preview(tmp_path: Path, clouds: Clouds) -> None:
    """The test program's queues are not encrypted; the line names rule and resource."""
    made = project(Path(__file__).parent / "programs/mailbox", tmp_path, aws=clouds.aws, moto=clouds.moto)
    made.attach()
    try:
        stack = made.stack("dev", {"aws:region": "us-east-1"})
        with pytest.raises(CommandError) as refused:
            stack.preview(policy_packs=[with_pack(made, stack, tmp_path)])
    finally:
        made.close()
    assert "asya-encrypted" in str(refused.value) and "is not encrypted: set kmsMasterKeyId" in str(refused.value)
    assert made.resources() == []
