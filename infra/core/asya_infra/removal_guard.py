"""Stands before the removal of a mesh: nothing goes while others' actors need its operator.

It is made last and therefore ends first, by `make down` and by a plain ``pulumi destroy`` alike. An actor whose operator is
gone keeps its finalizer for ever, and with it the definition and the stack that made it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pulumi
import yaml
from pulumi import dynamic

SHOWN = 20


class _Guard(dynamic.ResourceProvider):
    """Runs in the engine's provider process; what it needs is imported there."""

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult(id_="guard", outs=props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(
            changes=any(_olds.get(key) != _news.get(key) for key in ("own", "keda", "kubeconfig"))
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        return dynamic.UpdateResult(outs=_news)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        from asya_infra.removal_guard import look, words

        said = words(*look(_props))
        if said:
            raise RuntimeError(said)


class RemovalGuard(dynamic.Resource):
    """Refuses to go while the cluster has AsyncActors, or ScaledObjects, that nobody of the stack's own made.

    Args:
        name: Of the resource.
        kubeconfig: How to reach the cluster; a secret.
        context: Of the kubeconfig.
        own: ``namespace/name`` of the stack's own actors.
        keda: Whether KEDA goes with the stack.
        opts: With all that it stands before.
    """

    def __init__(
        self,
        name: str,
        *,
        kubeconfig: pulumi.Input[str],
        context: str,
        own: Sequence[str],
        keda: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"kubeconfig": pulumi.Output.secret(kubeconfig), "context": context, "own": sorted(own), "keda": keda}
        super().__init__(_Guard(), name, props, opts)


def look(props: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Read what others have in the cluster: actors, and what KEDA scales.

    A cluster that does not answer has nothing to say here: the provider of its objects refuses in its own words.
    """
    from asya_infra.cluster_api import ACTOR, SCALED_OBJECT, ClusterApi, ClusterRefused, ClusterSilent

    found: list[list[dict[str, Any]]] = []
    try:
        with ClusterApi(yaml.safe_load(props["kubeconfig"]), props["context"]) as api:
            for kind, asked in ((ACTOR, True), (SCALED_OBJECT, bool(props["keda"]))):
                try:
                    found.append(api.metadata(kind) if asked else [])
                except ClusterRefused:
                    found.append([])
    except ClusterSilent:
        return [], []
    actors, scaled = found
    return foreign(actors, props["own"]), foreign(scaled, ())


def foreign(found: Iterable[Mapping[str, Any]], own: Sequence[str]) -> list[str]:
    """``namespace/name`` of what is neither of the stack nor of an actor, by metadata. Pure."""
    listed = []
    for meta in found:
        name = f"{meta.get('namespace', '')}/{meta['name']}"
        owners = {owner.get("kind") for owner in meta.get("ownerReferences") or ()}
        if name not in own and "AsyncActor" not in owners:
            listed.append(name)
    return sorted(listed)


def words(actors: Sequence[str], scaled: Sequence[str]) -> str:
    """Why the mesh stays; empty where nothing keeps it. Pure."""

    def some(names: Sequence[str]) -> str:
        return ", ".join([*names[:SHOWN], *([f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else [])])

    parts = []
    if actors:
        parts.append(
            f"AsyncActors that this stack did not declare would never end without its operator: {some(actors)}; take them "
            "down by their own programs, or: kubectl -n NAMESPACE delete asyncactor NAME"
        )
    if scaled:
        parts.append(f"KEDA of this stack scales for others: {some(scaled)}; remove those ScaledObjects")
    return "; ".join([*parts, "nothing was removed"]) if parts else ""
