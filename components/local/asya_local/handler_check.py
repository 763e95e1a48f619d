"""Loads handlers before the first envelope does, so that one that cannot be loaded is reported when a mesh comes up."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from asya_local.declarations import declare
from asya_local.log_cause import explain_log
from asya_local.mesh_status import MeshStatus
from asya_local.missing_package import with_cure
from asya_local.plan import ActorPlan
from asya_local.state import StateFolder, Unloadable
from asya_protocol.runtime_end import describe_end

LIMIT_S: Final = 10.0
"""A handler that loads longer is left to its runtime, whose state says so."""
_POLL_S: Final = 0.2


def find_unloadable(state: StateFolder, status: Callable[[], MeshStatus]) -> dict[str, str]:
    """Say of a running mesh which actors' handlers cannot be loaded, and why; its supervisor is told of those that nap.

    Actors that have replicas load their handlers anyway; for the others a process of their own tries and ends.

    Args:
        state: The mesh's folder.
        status: Says how the mesh is now.
    """
    request = state.read_request()
    if request is None:
        return {}
    deadline_s = time.monotonic() + LIMIT_S
    plans = declare(request, state, os.environ, transport_env={}, store_env={}).plans.values()
    napping = [plan for plan in plans if plan.edited and plan.scaling.minimum == 0]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        causes = list(threads.map(lambda plan: _load(plan, deadline_s - time.monotonic()), napping))
    found = {plan.name: cause for plan, cause in zip(napping, causes, strict=True) if cause}
    state.write_unloadable(Unloadable(request.id, found))
    serving = {plan.name for plan in plans if plan.edited and plan.scaling.minimum > 0}
    while serving and time.monotonic() < deadline_s:
        actors = [actor for actor in status().actors if actor.name in serving]
        found |= {actor.name: actor.message for actor in actors if actor.status == "RuntimeError"}
        if all(actor.status == "RuntimeError" or actor.replicas > 0 for actor in actors):
            break
        time.sleep(_POLL_S)
    return found


def _load(plan: ActorPlan, limit_s: float) -> str:
    with tempfile.TemporaryDirectory(prefix="asya-check-") as folder:
        log = Path(folder) / "log"
        try:
            with log.open("wb") as output:
                answer = subprocess.run(
                    [*plan.runtime_argv, "--check"],
                    env=plan.handler_env(Path(folder)),
                    cwd=plan.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=max(limit_s, 0.1),
                    check=False,
                )
        except subprocess.TimeoutExpired:
            return ""
        except OSError as exc:
            return str(exc)
        if answer.returncode == 0:
            return ""
        said = explain_log(log, any_line=False) or describe_end(answer.returncode, "its runtime")
        return with_cure(said, plan.python, plan.cwd)
