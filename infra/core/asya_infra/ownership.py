"""Whose an object of the cluster is: a stack marks what it makes, and takes over what is there only when asked.

The provider for Kubernetes adopts an object of the same name and values without a word where it creates by server-side apply
(before 4.29), and its stack then deletes what it never made. So objects that others make, too, are looked for first: in a
preview already, where the cluster is known. Each kind is listed once.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pulumi
import yaml

from asya_infra.errors import ConfigError

OWNER: Final = "asya.sh/stack"
"""Annotation: the Pulumi stack that made the object, ``PROJECT/STACK``."""
GUARDED: Final[Mapping[str, bool]] = {
    "Namespace": False,
    "CustomResourceDefinition": False,
    "Deployment": True,
    "AsyncActor": True,
}
"""Kinds that people make by hand as well, and whether they live in a namespace. All else lies in such a namespace."""
_PULUMI: Final = "pulumi-kubernetes"
"""Begins the field manager of what a Pulumi program made; the objects of stacks older than the mark have nothing else."""
Metadata = Mapping[str, Any]


class Ownership:
    """A stack's objects in one cluster.

    Args:
        kubeconfig: How to reach it.
        context: Of the kubeconfig.
        adopt: Take over what is there, with a warning, instead of refusing it.
    """

    def __init__(self, kubeconfig: pulumi.Output[str], context: str | None, *, adopt: bool) -> None:
        self._kubeconfig, self._context, self._adopt = kubeconfig, context or "", adopt
        self._stack = f"{pulumi.get_project()}/{pulumi.get_stack()}"
        self._listed: dict[tuple[str, str], pulumi.Output[dict[str, Metadata]]] = {}

    def marked(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """The manifest with the stack's name on it, if it is of a guarded kind.

        The name comes out once the cluster was looked at, so that nothing is made of what is refused: the program fails with
        a ``ConfigError`` that says what is there and what to do.
        """
        if manifest["kind"] not in GUARDED:
            return dict(manifest)
        meta = manifest["metadata"]
        kind, name = str(manifest["kind"]), str(meta["name"])
        namespace: pulumi.Input[str] = (meta.get("namespace") or "default") if GUARDED[kind] else ""

        def judged(there: dict[str, Metadata]) -> str:
            found = there.get(name)
            problem = foreign(found, self._stack)
            what = " ".join([kind, "/".join(filter(None, ((found or {}).get("namespace"), name)))])
            if problem and not self._adopt:
                raise ConfigError(what, refusal(problem))
            if problem:
                pulumi.log.warn(f"{what} is this stack's from now on, which deletes it when it goes: {problem}")
            return self._stack

        owner = pulumi.Output.unsecret(self._there(kind, namespace).apply(judged))
        return {**manifest, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), OWNER: owner}}}

    def _there(self, kind: str, namespace: pulumi.Input[str]) -> pulumi.Output[dict[str, Metadata]]:
        def listed() -> pulumi.Output[dict[str, Metadata]]:
            return pulumi.Output.all(self._kubeconfig, namespace).apply(
                lambda known: asyncio.to_thread(look, known[0], self._context, kind, known[1])
            )

        if not isinstance(namespace, str):
            return listed()
        key = kind, namespace
        if key not in self._listed:
            self._listed[key] = listed()
        return self._listed[key]


def foreign(found: Metadata | None, stack: str) -> str:
    """Who else made an object, by its metadata; empty where the stack may have it. Pure."""
    if found is None:
        return ""
    owner = (found.get("annotations") or {}).get(OWNER)
    if owner is not None:
        return "" if owner == stack else f"the stack {owner} made it"
    managers = list(dict.fromkeys(_managers(found)))
    if any(manager.startswith(_PULUMI) for manager in managers):
        return ""
    return f"{managers[0]} made it" if managers else "it is there already"


def refusal(problem: str) -> str:
    """What to say of an object that is another's. Pure."""
    return (
        f"is in the cluster, and not of this stack: {problem}. Take it down there or choose another name; or hand it over, to "
        "be changed and at the end deleted by this stack: pulumi config set asya:adopt true"
    )


def _managers(found: Metadata) -> Iterator[str]:
    for entry in found.get("managedFields") or ():
        if entry.get("manager") and not entry.get("subresource"):
            yield str(entry["manager"])


def look(kubeconfig: str, context: str, kind: str, namespace: str) -> dict[str, Metadata]:
    """What is there of a kind, by name; nothing where the cluster does not answer or refuses, as the provider says that itself.

    Args:
        kubeconfig: Its content.
        context: Of the kubeconfig; empty takes its current one.
        kind: One of ``GUARDED``.
        namespace: Empty for kinds of the whole cluster.
    """
    from asya_infra.cluster_api import LISTED, ClusterApi, ClusterRefused, ClusterSilent

    try:
        with ClusterApi(yaml.safe_load(kubeconfig), context) as api:
            return {str(meta["name"]): meta for meta in api.metadata(LISTED[kind], namespace or None)}
    except (ClusterRefused, ClusterSilent):
        return {}
