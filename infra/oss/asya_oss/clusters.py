"""Clusters: one that exists, by its kubeconfig, or a kind cluster that the kind command makes."""

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pulumi
from pulumi import dynamic

from asya_infra.errors import ConfigError
from asya_infra.kubeconfig import read_kubeconfig
from asya_infra.kubernetes_provider import kubernetes_provider
from asya_infra.options import root_folder
from asya_infra.ports import Cluster
from asya_infra.settings import Settings

KIND_NAME: Final = "asya"
KIND_LIMIT_S: Final = 600.0
"""The node's image may have to be pulled."""


def kubeconfig_cluster(settings: Settings) -> Cluster:
    """The cluster of a kubeconfig.

    Raises:
        ConfigError: There is no such kubeconfig or context.
    """
    path = settings.kubeconfig and str(root_folder() / Path(settings.kubeconfig).expanduser())
    found = read_kubeconfig(path, settings.context)
    provider = kubernetes_provider("cluster", found.text, found.context, found.server, adopt=settings.adopt)
    text = pulumi.Output.secret(found.text)
    return Cluster(provider=provider, kubeconfig=text, context=found.context, adopt=settings.adopt)


def kind_cluster() -> Cluster:
    """A kind cluster, made by the kind command on this machine and deleted with the stack.

    Raises:
        ConfigError: The kind command or Docker is not here.
    """
    for command, cure in (("docker", "start Docker"), ("kind", "see https://kind.sigs.k8s.io")):
        if shutil.which(command) is None:
            raise ConfigError(
                "asya:cluster",
                f"'kind' needs the {command} command, which is not on PATH; install it ({cure}), or use a cluster that "
                "exists: pulumi config set asya:cluster kubeconfig",
            )
    name = f"{KIND_NAME}-{pulumi.get_stack()}"
    made = KindCluster("kind", cluster=name)
    context = f"kind-{name}"
    provider = kubernetes_provider("cluster", made.kubeconfig, context, context)
    return Cluster(provider=provider, kubeconfig=made.kubeconfig, context=context, ready=(made,))


class _Kinds(dynamic.ResourceProvider):
    """Runs the kind command, in the engine's provider process, only during an update."""

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        name = str(props["cluster"])
        if name not in _kind("get", "clusters").split():
            _kind("create", "cluster", "--name", name, "--wait", "120s")
        return dynamic.CreateResult(id_=name, outs={**props, "kubeconfig": _kubeconfig(name)})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        replaces = ["cluster"] if _olds.get("cluster") != _news.get("cluster") else []
        return dynamic.DiffResult(changes=bool(replaces), replaces=replaces, delete_before_replace=True)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        if id_ not in _kind("get", "clusters").split():
            return dynamic.ReadResult(id_="", outs={})
        return dynamic.ReadResult(id_=id_, outs={**props, "kubeconfig": _kubeconfig(id_)})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        _kind("delete", "cluster", "--name", _id)


def _kubeconfig(name: str) -> str:
    return _kind("get", "kubeconfig", "--name", name)


def _kind(*arguments: str) -> str:
    done = subprocess.run(
        ["kind", *arguments],  # noqa: S607 - whichever is on PATH
        capture_output=True,
        text=True,
        timeout=KIND_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"kind {' '.join(arguments)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class KindCluster(dynamic.Resource):
    """A kind cluster.

    Args:
        name: Of the resource.
        cluster: Its name.
        opts: Options.
    """

    kubeconfig: pulumi.Output[str]
    """Its content; a secret."""

    def __init__(self, name: str, *, cluster: str, opts: pulumi.ResourceOptions | None = None) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["kubeconfig"])
        props = {"cluster": cluster, "kubeconfig": None}
        super().__init__(_Kinds(), name, props, pulumi.ResourceOptions.merge(opts or pulumi.ResourceOptions(), secret))
