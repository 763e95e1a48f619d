"""Waits until the operator says that an actor runs or naps, as a resource of its own.

A dynamic provider: the engine runs it in a process beside the program, only during an update; a preview asks nobody. It is a
resource, not a wait of the kubernetes provider, because that one can wait for one condition and tells only that it gave up;
what a person needs is the operator's own message.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic


class _Waiter(dynamic.ResourceProvider):
    """Runs in the engine's provider process; what it needs is imported there."""

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult(id_=f"{props['namespace']}/{props['actor']}", outs={**props, **_look(props)})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(outs={**_news, **_look(_news)})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        moved = [key for key in ("actor", "namespace") if _olds.get(key) != _news.get(key)]
        return dynamic.DiffResult(
            changes=bool(moved) or _olds.get("generation") != _news.get("generation"),
            replaces=moved,
            delete_before_replace=True,
        )


def _look(props: Mapping[str, Any]) -> dict[str, Any]:
    from asya_infra.actor_status import await_actor

    return await_actor(
        kubeconfig=props["kubeconfig"],
        context=props["context"] or None,
        namespace=props["namespace"],
        actor=props["actor"],
        limit_s=float(props["wait_s"]),
    )


class ActorReady(dynamic.Resource):
    """Exists once an actor is ready.

    Args:
        name: Of the resource.
        kubeconfig: How to reach the cluster; a secret.
        context: Of the kubeconfig.
        namespace: The actor's.
        actor: Its name.
        generation: Anything that changes whenever the actor's manifest does; then it is waited for again.
        wait_s: How long.
        opts: With what must exist before.
    """

    status: pulumi.Output[str]
    """``Running`` or ``Napping``, as of the update."""

    def __init__(
        self,
        name: str,
        *,
        kubeconfig: pulumi.Input[str],
        context: str,
        namespace: pulumi.Input[str],
        actor: str,
        generation: pulumi.Input[str],
        wait_s: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "kubeconfig": pulumi.Output.secret(kubeconfig),
            "context": context,
            "namespace": namespace,
            "actor": actor,
            "generation": generation,
            "wait_s": wait_s,
            "status": None,
        }
        super().__init__(_Waiter(), name, props, opts)
