"""What a pod is given: its users, and the hook that holds SIGTERM back until process 1 hears it.

The hook is run by a real shell on status files of our own.
"""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from asya_operator.specs.pod_defaults import LIFECYCLE
from lab.checkout import ROOT
from tests.support.rendered import actor, container, context, objects, pod_of, with_pod

STATUS = "Name:\tpython3\nSigQ:\t0/1\nSigBlk:\t{blocked}\nSigIgn:\t0000000001001000\nSigCgt:\t{caught}\n"
NONE = "0000000000000000"


@pytest.mark.parametrize(
    ("blocked", "caught", "hears"),
    [
        (NONE, "0000000000000002", False),  # SIGINT alone: an interpreter that has only just started
        (NONE, "0000000000004002", True),
        ("0000000000004002", "0000000000000002", True),
        (NONE, "0000000108016a02", True),  # 0x6...: SIGTERM among others
        (NONE, "0000000000003aff", False),
        (NONE, "0000000000008000", False),  # SIGSTKFLT, one further
        (NONE, "000000000000c000", True),
    ],
)
def test_it_waits_for_the_bit_of_sigterm(tmp_path: Path, blocked: str, caught: str, hears: bool) -> None:
    status = tmp_path / "status"
    status.write_text(STATUS.format(blocked=blocked, caught=caught))
    shell, flag, script = LIFECYCLE["preStop"]["exec"]["command"]
    # A count instead of the wait: how often it looked.
    script = script.replace("/proc/1/status", str(status)).replace("sleep 0.1", "echo looked")
    done = subprocess.run([shell, flag, script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.count("looked") == (0 if hears else 50)
    assert done.stderr == ""


def test_an_operator_may_leave_users_to_the_cluster():
    """A null in a template does it for one actor, where it arrives: `kubectl apply`, kustomize and Helm drop it on the way."""
    assert pod_of(actor())["securityContext"]["runAsUser"] == 1000
    left = pod_of(actor(), context("rabbitmq", actor_user=None))["securityContext"]
    assert left == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    other = pod_of(actor(), context("rabbitmq", actor_user=2000))["securityContext"]
    assert (other["runAsUser"], other["runAsGroup"], other["fsGroup"]) == (2000, 2000, 2000)
    own = actor(workload=with_pod({"securityContext": {"runAsUser": 7}}))
    assert pod_of(own, context("rabbitmq", actor_user=None))["securityContext"]["runAsUser"] == 7


def test_the_lines_that_the_migration_page_has_give_an_image_back_what_it_misses():
    page = (ROOT / "docs/migrating.md").read_text(encoding="utf-8").split("\n## What a pod is given\n")[1]
    template, policy = (
        yaml.safe_load(found) for found in re.findall(r"```yaml excerpt\n(.*?)```", page, re.DOTALL)[:2]
    )
    declared = actor(workload={"template": template})
    pod = pod_of(declared)
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsNonRoot"]) == (0, False)
    runtime = container(pod, "asya-runtime")
    assert runtime["securityContext"]["readOnlyRootFilesystem"] is False
    assert {"name": "HOME", "value": "/tmp"} in runtime["env"]
    assert {"name": "cache", "mountPath": "/var/cache"} in runtime["volumeMounts"]
    ours = objects(declared)["NetworkPolicy/hello-actor"]
    assert policy["spec"]["podSelector"] == ours["spec"]["podSelector"]
    assert policy["apiVersion"] == ours["apiVersion"]
