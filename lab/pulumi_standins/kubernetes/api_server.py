"""Objects on a real API server: server-side apply, strict field validation, and waits."""

import base64
import json
import re
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

import requests
import yaml

from lab.pulumi_standins.kubernetes import readiness
from lab.pulumi_standins.kubernetes.objects import MANAGER, as_object, emptied, identifier, manager_of
from lab.pulumi_standins.kubernetes.port import Refused
from lab.pulumi_standins.wire import Properties, is_unknown

_POLL_S: Final = 0.3
# What a preview may meet because the same update makes it first, or removes its predecessor first.
_NOT_YET: Final = re.compile(r'(namespaces|customresourcedefinitions\S*) ".*" not found|field is immutable')


class ApiServer:
    """The API server of a kubeconfig.

    Args:
        kubeconfig: Its text, or a path to it.
        context: The context in it; the current one when empty.
        namespace: For objects that name none.
    """

    def __init__(self, kubeconfig: str, context: str = "", namespace: str = "") -> None:
        text = kubeconfig if "\n" in kubeconfig or kubeconfig.lstrip().startswith("{") else Path(kubeconfig).read_text()
        config = yaml.safe_load(text)
        chosen = _entry(config, "context", context or config["current-context"])
        cluster, user = _entry(config, "cluster", chosen["cluster"]), _entry(config, "user", chosen["user"])
        self.namespace = namespace or chosen.get("namespace") or "default"
        self._files = tempfile.TemporaryDirectory(prefix="standin-pem-")
        self._url = str(cluster["server"]).rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # Else REQUESTS_CA_BUNDLE silently wins over the cluster's own authority.
        trusted = self._pem(cluster, "certificate-authority")
        self._session.verify = trusted or not cluster.get("insecure-skip-tls-verify", False)
        if user.get("token"):
            self._session.headers["Authorization"] = f"Bearer {user['token']}"
        certificate, key = self._pem(user, "client-certificate"), self._pem(user, "client-key")
        if certificate and key:
            self._session.cert = (certificate, key)
        self._lock = threading.Lock()
        self._discovered: dict[str, dict[str, Properties]] = {}

    def apply(self, thing: Properties, *, dry: bool = False, patch: bool = False) -> Properties:
        """PATCH with apply-patch; a dry run skips what cannot be known before the update."""
        return self._apply(thing, manager_of(thing) if patch else MANAGER, dry=dry)

    def release(self, thing: Properties) -> None:
        """Apply nothing as the patch's manager."""
        if self.get(thing) is not None:
            self._apply(emptied(thing), manager_of(thing), dry=False)

    def _apply(self, thing: Properties, manager: str, *, dry: bool) -> Properties:
        if dry and (is_unknown(thing) or self._path(thing) is None):
            return thing
        path = self._path(thing)
        if path is None:
            kind = f"{thing['kind']!r} in version {thing['apiVersion']!r}"
            raise Refused(f"no matches for kind {kind}: is its CRD installed?")
        forced = (thing.get("metadata", {}).get("annotations") or {}).get("pulumi.com/patchForce") == "true"
        asked = {"fieldManager": manager, "fieldValidation": "Strict"}
        asked |= {"force": "true"} if forced else {}
        answer = self._session.patch(
            path,
            data=json.dumps(as_object(thing)),
            params=asked | ({"dryRun": "All"} if dry else {}),
            headers={"Content-Type": "application/apply-patch+yaml"},
            timeout=60,
        )
        if answer.ok:
            return dict(answer.json())
        message = str(answer.json().get("message", answer.text))
        if dry and _NOT_YET.search(message):
            return thing
        raise Refused(message)

    def get(self, thing: Properties) -> Properties | None:
        """GET it."""
        path = self._path(thing)
        answer = self._session.get(path, timeout=60) if path else None
        if answer is None or answer.status_code == 404:
            return None
        answer.raise_for_status()
        return dict(answer.json())

    def delete(self, thing: Properties, timeout_s: float) -> None:
        """DELETE it; dependents are collected in the background."""
        path = self._path(thing)
        if path is None:
            return  # Its CRD is gone, and it with it.
        answer = self._session.delete(path, params={"propagationPolicy": "Background"}, timeout=60)
        if answer.status_code != 404 and not answer.ok:
            raise Refused(str(answer.json().get("message", answer.text)))
        ends = time.monotonic() + timeout_s
        while (live := self.get(thing)) is not None:
            if time.monotonic() > ends:
                held = live["metadata"].get("finalizers") or []
                raise Refused(
                    f"{thing['kind']} {identifier(thing)} was not gone in {timeout_s:.0f} s; finalizers: {held}"
                )
            time.sleep(_POLL_S)

    def await_ready(self, thing: Properties, timeout_s: float) -> Properties:
        """Look until it is ready."""
        ends = time.monotonic() + timeout_s
        live = thing
        while not readiness.is_ready(live):
            reason = readiness.failure(live)
            if reason is not None:
                raise Refused(f"{thing['kind']} {identifier(thing)} failed: {reason}")
            if time.monotonic() > ends:
                told = readiness.explained(live)
                raise Refused(f"{thing['kind']} {identifier(thing)} was not ready in {timeout_s:.0f} s: {told}")
            time.sleep(_POLL_S)
            live = self.get(thing) or live
        return live

    def _path(self, thing: Properties) -> str | None:
        version, kind = str(thing["apiVersion"]).removeprefix("core/"), str(thing["kind"])
        root = f"{self._url}/{'apis' if '/' in version else 'api'}/{version}"
        with self._lock:
            if kind not in self._discovered.get(version, {}):  # Asked again, as a CRD may have come since.
                answer = self._session.get(root, timeout=60)
                if answer.status_code in {401, 403}:
                    raise Refused(f"the API server refuses these credentials: {answer.json().get('message')}")
                listed = answer.json()["resources"] if answer.ok else []
                self._discovered[version] = {entry["kind"]: entry for entry in listed if "/" not in entry["name"]}
            found = self._discovered[version].get(kind)
        if found is None:
            return None
        metadata = thing["metadata"]
        inside = f"/namespaces/{metadata.get('namespace') or self.namespace}" if found["namespaced"] else ""
        return f"{root}{inside}/{found['name']}/{metadata['name']}"

    def _pem(self, entry: Properties, key: str) -> str | None:
        if key in entry:
            return str(entry[key])
        if f"{key}-data" not in entry:
            return None
        path = Path(self._files.name) / f"{key}-{len(list(Path(self._files.name).iterdir()))}.pem"
        path.write_bytes(base64.b64decode(entry[f"{key}-data"]))
        return str(path)


def _entry(config: Any, noun: str, name: str) -> Properties:
    for entry in config[f"{noun}s"]:
        if entry["name"] == name:
            return dict(entry[noun])
    raise Refused(f"the kubeconfig has no {noun} {name!r}")
