"""``python -m lab.pulumi_standins.kubernetes ENGINE``: what the engine starts as pulumi-resource-kubernetes.

With ``STANDIN_KUBE_RECORD`` set to a folder, objects are checked and recorded there; otherwise they are applied on the
API server of the provider's kubeconfig. Server-side apply in both, with a dry run for every preview.
"""

import os
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from lab.pulumi_standins.kubernetes import objects
from lab.pulumi_standins.kubernetes.api_server import ApiServer
from lab.pulumi_standins.kubernetes.eks_cluster import knock, makes_volumes
from lab.pulumi_standins.kubernetes.port import Store
from lab.pulumi_standins.kubernetes.recorder import Recorder
from lab.pulumi_standins.plugin import Plugin, logical_name, serve, token
from lab.pulumi_standins.wire import UNKNOWN, Properties, dump, load, repeating_secrets, secret_keys

RECORD_VARIABLE: Final = "STANDIN_KUBE_RECORD"
_DEFAULT_WAIT_S: Final = 600.0
"""As the real plugin's; a program sets another one with ``custom_timeouts``."""


class Kubernetes(Plugin):
    """One door for all kinds; the kind is in the object."""

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's names, here and below
        """Name it; whether it is valid is the API server's to say, or its schemas', in a preview as well."""
        self._log("Check", request)
        inputs = objects.named(
            load(request.news), load(request.olds), logical=logical_name(request), seed=request.randomSeed
        )
        hidden = secret_keys(request.news) | objects.own_secrets(inputs)
        return provider_pb2.CheckResponse(inputs=dump(inputs, hidden & inputs.keys()))

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Compare objects, path by path."""
        self._log("Diff", request)
        old, new = load(request.old_inputs), load(request.news)
        paths = objects.changed_paths(old, new, list(request.ignoreChanges))
        replaces = sorted({path.split(".")[0] for path, code in paths.items() if code % 2})
        codes: dict[str, Any] = dict(paths)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if paths else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=replaces,
            diffs=sorted({path.split(".")[0] for path in paths}),
            deleteBeforeReplace=bool(replaces) and objects.keeps_its_name(old, new),
            hasDetailedDiff=True,
            detailedDiff={p: provider_pb2.PropertyDiff(kind=code, inputDiff=True) for p, code in codes.items()},
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Apply it and wait until it is ready; a preview asks the API server whether it would accept it."""
        self._log("Create", request)
        inputs = load(request.properties)
        with self._guarded(context):
            store = self._store(context)
            if isinstance(store, Recorder) and not _is_patch(request):
                live = store.create(inputs, dry=request.preview)
            else:
                live = _applied(store, request, inputs)
        if request.preview:
            # An absent key would read as None in the program, and not as what will be known later.
            shown = {"status": UNKNOWN, **inputs}
            return provider_pb2.CreateResponse(properties=self._dumped(shown, request.properties))
        state = objects.state_of(inputs, live)
        identity = objects.identifier(live)
        return provider_pb2.CreateResponse(id=identity, properties=self._dumped(state, request.properties))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The same, on what is there."""
        self._log("Update", request)
        inputs = load(request.news)
        with self._guarded(context):
            live = _applied(self._store(context), request, inputs)
        if request.preview:
            shown = {**load(request.olds), **inputs}
            return provider_pb2.UpdateResponse(properties=self._dumped(shown, request.news))
        return provider_pb2.UpdateResponse(properties=self._dumped(objects.state_of(inputs, live), request.news))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Look at it, for a refresh or an import."""
        self._log("Read", request)
        inputs = load(request.inputs)
        with self._guarded(context):
            live = self._store(context).get(inputs or objects.from_identity(token(request), request.id))
        if live is None:
            return provider_pb2.ReadResponse(id="")
        now = objects.drifted(inputs, live) if inputs else live
        hidden = secret_keys(request.inputs) | objects.own_secrets(now)
        return provider_pb2.ReadResponse(
            id=objects.identifier(live),
            inputs=dump(now, hidden & now.keys()),
            properties=self._dumped(objects.state_of(now, live), request.inputs),
        )

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Remove it and wait until it is gone.

        With PULUMI_K8S_DELETE_UNREACHABLE set, a cluster that does not answer counts as gone, as in the real plugin.
        """
        self._log("Delete", request)
        state = load(request.properties)
        with self._guarded(context):
            try:
                self._remove(request, state.get("__inputs") or state, self._store(context))
            except OSError:
                if os.environ.get("PULUMI_K8S_DELETE_UNREACHABLE") != "true":
                    raise
        return empty_pb2.Empty()

    def _remove(self, request: Any, thing: Properties, store: Store) -> None:
        if _is_patch(request):
            store.release(thing)
        else:
            store.delete(thing, request.timeout or _DEFAULT_WAIT_S)

    def _store(self, context: Any) -> Store:
        cluster: Cluster = self._clients(context)
        knock(cluster.kubeconfig)
        return cluster.store

    def _dumped(self, properties: Properties, given: Any) -> Any:
        hidden = secret_keys(given) | objects.own_secrets(properties) | repeating_secrets(properties, given)
        return dump(properties, hidden & properties.keys())


@dataclass(frozen=True, slots=True)
class Cluster:
    """What one provider instance reaches, by its kubeconfig."""

    kubeconfig: str
    store: Store


def _is_patch(request: Any) -> bool:
    return token(request).endswith("Patch")


def _applied(store: Store, request: Any, inputs: Properties) -> Properties:
    live = store.apply(inputs, dry=request.preview, patch=_is_patch(request))
    return live if request.preview else store.await_ready(live, request.timeout or _DEFAULT_WAIT_S)


def connect(configuration: Properties) -> Cluster:
    """The recording folder, or the API server of the provider's kubeconfig."""
    kubeconfig = str(configuration.get("kubeconfig") or "")
    return Cluster(kubeconfig, _store_of(configuration, kubeconfig))


def _store_of(configuration: Properties, kubeconfig: str) -> Store:
    namespace = str(configuration.get("namespace") or "")
    if RECORD_VARIABLE in os.environ:
        upsert = str(configuration.get("upsertExistingObjects", "")).lower() == "true"
        served = partial(makes_volumes, kubeconfig) if '"get-token"' in kubeconfig else None
        return Recorder(Path(os.environ[RECORD_VARIABLE]), namespace, upsert=upsert, served=served)
    path = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube/config")
    return ApiServer(path, str(configuration.get("context") or ""), namespace)


if __name__ == "__main__":
    serve(
        Kubernetes(
            name="kubernetes",
            version=version("pulumi-kubernetes"),
            sdk="pulumi_kubernetes",
            kinds={},
            functions={},
            connect=connect,
        )
    )
