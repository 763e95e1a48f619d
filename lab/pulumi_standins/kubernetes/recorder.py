"""Objects in a folder, for tests without a cluster: what would be applied, after checks against Kubernetes' schemas.

Nothing runs: an object is ready as soon as it is recorded, and gets no defaults and no status but what an actor needs to
count as up. An unknown kind is refused, unless a CustomResourceDefinition among the recorded objects describes it.
"""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lab.pulumi_standins.kubernetes import auto_mode
from lab.pulumi_standins.kubernetes.objects import as_object, manager_of
from lab.pulumi_standins.kubernetes.openapi import Schemas
from lab.pulumi_standins.kubernetes.port import Refused
from lab.pulumi_standins.wire import Properties, is_unknown

_CLUSTER_SCOPED: Final = frozenset(
    {
        "Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "StorageClass", "APIService",
        "IngressClass",
        "PriorityClass", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "PersistentVolume",
    }
    | auto_mode.CLUSTER_SCOPED
)  # fmt: skip
POST_VARIABLE: Final = "STANDIN_KUBE_POST"
"""Set: an object that exists is refused, as the real plugin refuses it since 4.29, which creates by POST unless it is told to
take over what exists."""


_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"


class Recorder:
    """A folder with one file per object, ``NAMESPACE/KIND.GROUP.NAME.json``; patches of others' objects in ``*.patch``.

    Args:
        folder: Where.
        namespace: Of objects that name none.
        upsert: Take over what exists, also where creating is by POST.
        served: Whether something in the cluster makes volumes of a provisioner's classes, where it has no StorageClass of
            its own, as EKS since 1.30: what claims another would wait for ever. ``None`` is a cluster that serves all claims.
    """

    def __init__(
        self, folder: Path, namespace: str = "", *, upsert: bool = False, served: Callable[[str], bool] | None = None
    ) -> None:
        self.namespace, self._served = namespace or "default", served
        self._folder = folder
        self._posts = POST_VARIABLE in os.environ and not upsert
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def create(self, thing: Properties, *, dry: bool = False) -> Properties:
        """Record it; by POST it must not be there."""
        if self._posts and not dry and self.get(thing) is not None:
            raise Refused(f"{thing['kind']} {thing['metadata']['name']} already exists: AlreadyExists")
        return self.apply(thing, dry=dry)

    def apply(self, thing: Properties, *, dry: bool = False, patch: bool = False) -> Properties:
        """Check it, and record it unless ``dry``; a patch is recorded beside its object."""
        if dry and is_unknown(thing):
            return thing
        kept = as_object(thing)
        path = self._path(kept).with_suffix(f".{manager_of(kept)}.patch" if patch else ".json")
        schemas = Schemas(self._definitions())
        if not schemas.knows(kept):
            if dry:  # Its CRD may come in the same update.
                return thing
            raise Refused(
                f"no matches for kind {kept['kind']!r} in version {kept['apiVersion']!r}: is its CRD installed?"
            )
        problems = schemas.problems(kept)
        if problems:
            raise Refused(f"{kept['kind']} {kept['metadata']['name']} is invalid: " + "; ".join(problems))
        if dry:
            return thing
        for wanted in classes_claimed(kept) if self._served else ():
            self._find_class(f"{kept['kind']} {kept['metadata']['name']}", wanted)
        namespaced = kept["kind"] not in _CLUSTER_SCOPED
        metadata = {**kept["metadata"], **({"namespace": self._namespace(kept)} if namespaced else {})}
        live = {**kept, "metadata": {**metadata, "uid": f"uid-of-{path.stem}"}}
        with self._lock:
            path.parent.mkdir(parents=True, exist_ok=True)
            whole = path.with_suffix(".new")  # others read all definitions, at any time
            whole.write_text(json.dumps(live, indent=1), encoding="utf-8")
            whole.replace(path)
        return live

    def get(self, thing: Properties) -> Properties | None:
        """What was recorded."""
        path = self._path(thing)
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def release(self, thing: Properties) -> None:
        """Forget the patch."""
        self._path(thing).with_suffix(f".{manager_of(thing)}.patch").unlink(missing_ok=True)

    def delete(self, thing: Properties, timeout_s: float) -> None:
        """Forget it."""
        self._path(thing).unlink(missing_ok=True)

    def await_ready(self, thing: Properties, timeout_s: float) -> Properties:
        """Nothing runs here."""
        return thing

    def _namespace(self, thing: Properties) -> str:
        return str(thing["metadata"].get("namespace") or self.namespace)

    def _path(self, thing: Properties) -> Path:
        group = str(thing["apiVersion"]).removeprefix("core/").partition("/")
        where = "" if thing["kind"] in _CLUSTER_SCOPED else self._namespace(thing)
        name = f"{thing['kind']}.{group[0] if group[1] else ''}.{thing['metadata']['name']}.json"
        return self._folder / where / name.replace("/", "_").replace("..", ".")

    def _find_class(self, claimant: str, wanted: str | None) -> None:
        """Refuse a claim that waits for ever; a class that is not recorded is somebody else's."""
        listed = [json.loads(path.read_text(encoding="utf-8")) for path in self._folder.glob("StorageClass.*.json")]
        if wanted is None:
            found = [e for e in listed if (e["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"]
            if not found:
                raise Refused(f"{claimant}: pod has unbound immediate PersistentVolumeClaims")
        else:
            found = [each for each in listed if each["metadata"]["name"] == wanted]
        for each in found:
            if self._served and not self._served(each["provisioner"]):
                made = f"a volume to be created either by the external provisioner '{each['provisioner']}' or manually"
                raise Refused(f"{claimant}: Waiting for {made}")

    def _definitions(self) -> list[Properties]:
        found = self._folder.glob("CustomResourceDefinition.*.json")
        return [*auto_mode.DEFINITIONS, *(json.loads(path.read_text(encoding="utf-8")) for path in sorted(found))]


def classes_claimed(thing: Properties) -> set[str | None]:
    """Names of the classes that an object claims volumes of; ``None`` leaves the class to the cluster. Pure."""
    spec = thing.get("spec") or {}
    claims = [thing] if thing["kind"] == "PersistentVolumeClaim" else spec.get("volumeClaimTemplates") or []
    return {(claim.get("spec") or {}).get("storageClassName") for claim in claims}


def recorded(folder: Path, suffix: str = "json") -> list[Properties]:
    """All recorded objects by path, or all patches with suffix ``patch``."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob(f"*.{suffix}"))]
