"""The one door to a cluster's API from inside the engine: a few objects read; one pod made, and deleted.

On lightkube, which is a tenth of the size of the operator's client: a team's program installs this package only to declare
actors, and has no use for a model of every kind of Kubernetes. The operator's own client, asya_kube, watches and writes.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Self

import httpx2
from lightkube import Client, KubeConfig
from lightkube.core.decoders import decode_list, decode_status
from lightkube.core.exceptions import ConfigError
from lightkube.generic_resource import create_global_resource, create_namespaced_resource
from lightkube.resources.core_v1 import Namespace

ACTOR: Final = create_namespaced_resource("asya.sh", "v1alpha1", "AsyncActor", "asyncactors")
DEPLOYMENT: Final = create_namespaced_resource("apps", "v1", "Deployment", "deployments")
STATEFUL_SET: Final = create_namespaced_resource("apps", "v1", "StatefulSet", "statefulsets")
POD: Final = create_namespaced_resource("", "v1", "Pod", "pods")
SCALED_OBJECT: Final = create_namespaced_resource("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects")
TIMEOUT_S: Final = 30.0
PAGE: Final = 500
Kind = type[Any]
"""A class of lightkube's for a kind of objects."""
LISTED: Final[Mapping[str, Kind]] = {
    "AsyncActor": ACTOR,
    "CustomResourceDefinition": create_global_resource(
        "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"
    ),
    "Deployment": DEPLOYMENT,
    "Namespace": Namespace,
}
"""Kinds by their names."""
_EXEC_GROUP: Final = "client.authentication.k8s.io"


def _prepare() -> None:
    """Let msgspec look at every class that something is read into, while the lock of this module's import keeps others out.

    Where two threads read into one class for the first time at once, the interpreter may end by a segmentation fault (msgspec
    0.22.0, on which lightkube 1.0.1 stands), and a program looks at several kinds at once.
    """
    here = {"name": "here"}
    parts = {
        "clusters": [{**here, "cluster": {}}],
        "users": [{**here, "user": {}}],
        "contexts": [{**here, "context": {"cluster": "here"}}],
    }
    KubeConfig.from_dict({**parts, "current-context": "here"})
    for kind in {ACTOR, DEPLOYMENT, STATEFUL_SET, POD, SCALED_OBJECT, *LISTED.values()}:
        decode_list(b'{"items": [{"metadata": {}}], "metadata": {}}', kind)
    decode_status(b"{}")


_prepare()


class ClusterRefused(Exception):
    """The API server answered, and refused."""


class ClusterSilent(Exception):
    """It does not answer, asks for patience, or nobody may speak to it with these credentials' program."""


class ClusterApi:
    """A connection to one API server; use as a context manager.

    Args:
        kubeconfig: Its content, parsed.
        context: Of that kubeconfig; empty takes its current one.

    Raises:
        ClusterSilent: The kubeconfig leads nowhere.
    """

    def __init__(self, kubeconfig: Mapping[str, Any], context: str = "") -> None:
        try:
            config = KubeConfig.from_dict(told_to_programs(kubeconfig)).get(context_name=context or None)
            self._client = Client(config, timeout=httpx2.Timeout(TIMEOUT_S))
        except (ConfigError, KeyError, AssertionError, OSError) as exc:
            raise ClusterSilent(f"the kubeconfig leads to no cluster: {exc}") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """Read one object; ``None`` where it does not exist.

        Raises:
            ClusterRefused: For another reason.
            ClusterSilent: Later it may answer.
        """
        try:
            return dict(self._client.get(kind, name, namespace=namespace).to_dict())
        except _FAILURES as exc:
            if _code(exc) == 404:
                return None
            raise _told(exc) from exc

    def create(self, kind: Kind, namespace: str, manifest: Mapping[str, Any]) -> None:
        """Make one object.

        Raises:
            ClusterRefused, ClusterSilent: As ``get``.
        """
        try:
            self._client.create(kind.from_dict(dict(manifest)), namespace=namespace)
        except _FAILURES as exc:
            raise _told(exc) from exc

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete one object; one that is not there is no matter.

        Raises:
            ClusterRefused, ClusterSilent: As ``get``.
        """
        try:
            self._client.delete(kind, name, namespace=namespace)
        except _FAILURES as exc:
            if _code(exc) != 404:
                raise _told(exc) from exc

    def metadata(self, kind: Kind, namespace: str | None = "*") -> list[dict[str, Any]]:
        """Read the metadata of all objects of a kind; none where nobody defined the kind.

        Args:
            kind: Of the objects.
            namespace: Theirs; ``*`` is every one, ``None`` for a kind that lives in none.

        Raises:
            ClusterRefused, ClusterSilent: As ``get``.
        """
        try:
            found = self._client.list(kind, namespace=namespace, chunk_size=PAGE)
            return [dict(each.to_dict()["metadata"]) for each in found]
        except _FAILURES as exc:
            if _code(exc) == 404:
                return []
            raise _told(exc) from exc


_FAILURES: Final = (httpx2.HTTPError, ConfigError, OSError, ValueError, KeyError)
"""The network's; those of a program that was to give credentials: not there, failed, or no answer that can be used."""


def _code(exc: Exception) -> int | None:
    return exc.response.status_code if isinstance(exc, httpx2.HTTPStatusError) else None


def _told(exc: Exception) -> ClusterRefused | ClusterSilent:
    code = _code(exc)
    words = str(exc) or type(exc).__name__
    if code is None or code == 429 or code >= 500:
        return ClusterSilent(f"{code or 'it cannot be reached'}: {words}")
    return ClusterRefused(f"{code}: {words}")


def told_to_programs(kubeconfig: Mapping[str, Any]) -> dict[str, Any]:
    """A kubeconfig whose programs for credentials are told what kubectl tells them. Pure.

    lightkube takes v1beta1 alone, which answers as v1 does, and tells a program nothing; those built with client-go end without
    ``KUBERNETES_EXEC_INFO`` (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#input-and-output-formats).
    """
    return {**kubeconfig, "users": [_told_user(entry) for entry in kubeconfig.get("users") or ()]}


def _told_user(entry: Mapping[str, Any]) -> dict[str, Any]:
    program = (entry.get("user") or {}).get("exec")
    if not program:
        return dict(entry)
    version = program.get("apiVersion") or f"{_EXEC_GROUP}/v1beta1"
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    env = [*(program.get("env") or ()), {"name": "KUBERNETES_EXEC_INFO", "value": json.dumps(info)}]
    known = f"{_EXEC_GROUP}/v1beta1" if version == f"{_EXEC_GROUP}/v1" else version
    return {**entry, "user": {**entry["user"], "exec": {**program, "apiVersion": known, "env": env}}}
