"""Polls an actor's status until it can take envelopes, or the time is over."""

import time
from collections.abc import Mapping
from typing import Any, Final

import yaml

from asya_protocol.names import CREW

LOOK_S: Final = 1.0
DONE: Final = frozenset({"Running", "Napping"})
"""Statuses of an actor that can take envelopes."""


class ActorFailed(Exception):
    """An actor did not become ready; the message is the operator's."""


def await_actor(*, kubeconfig: str, context: str | None, namespace: str, actor: str, limit_s: float) -> dict[str, Any]:
    """Wait until an actor runs or naps; one that naps has its handler loaded once, in a pod of its own.

    Args:
        kubeconfig: Its content.
        context: Of the kubeconfig; ``None`` takes its current one.
        namespace: The actor's.
        actor: Its name.
        limit_s: How long.

    Returns:
        ``{"status": "Running" | "Napping"}``.

    Raises:
        ActorFailed: It did not in time, which the operator's conditions explain, or its handler cannot be loaded.
    """
    from asya_infra.cluster_api import ACTOR, ClusterApi, ClusterRefused, ClusterSilent
    from asya_infra.handler_check import find_trouble

    deadline, problem = time.monotonic() + limit_s, ""
    with ClusterApi(yaml.safe_load(kubeconfig), context or "") as api:
        while True:
            try:
                status, problem = judge(api.get(ACTOR, namespace, actor))
                if status in DONE and not problem:
                    break
            except ClusterSilent as exc:
                problem = f"the API server did not answer: {exc}"
            except ClusterRefused as exc:
                raise ActorFailed(f"actor {actor} in {namespace} cannot be looked at: {exc}") from exc
            if time.monotonic() >= deadline:
                raise ActorFailed(
                    f"actor {actor} in {namespace} was not ready within {limit_s:g} s: {problem}; "
                    f"see: kubectl -n {namespace} describe asya {actor}"
                )
            time.sleep(LOOK_S)
        left_s = deadline - time.monotonic()
        naps = status == "Napping" and actor not in CREW
        if naps and (trouble := find_trouble(api, namespace, actor, left_s)):
            raise ActorFailed(f"actor {actor} in {namespace} cannot load its handler: {trouble}")
        return {"status": status}


def judge(found: Mapping[str, Any] | None) -> tuple[str, str]:
    """Read an AsyncActor's status. Pure.

    Returns:
        Its status word, and why it may not be relied on yet (empty: it may).
    """
    if found is None:
        return "", "it does not exist"
    status = found.get("status") or {}
    word = str(status.get("status") or "")
    if not word:
        return "", "the operator has not looked at it yet; does it run? kubectl -n asya-system get pods"
    if status.get("observedGeneration") != found["metadata"].get("generation"):
        return word, "the operator has not seen this version of it yet"
    if word in DONE:
        return word, ""
    reasons = [
        f"{condition['type']}: {condition.get('message') or condition.get('reason')}"
        for condition in status.get("conditions", ())
        if condition.get("status") == "False" and condition["type"] != "Ready"  # which sums the others up
    ]
    return word, f"{word}, {'; '.join(reasons)}" if reasons else word
