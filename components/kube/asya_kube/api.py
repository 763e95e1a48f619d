"""The one door to the Kubernetes API: raw objects in and out, errors translated, every call counted.

Built on kubernetes_asyncio for what is hard (credentials, token refresh, TLS); objects stay plain mappings, so that no
field that a newer cluster knows is lost on the way. Watching is kopf's task, not done here. Its errors:

AsyaError
└── ApiError               the API server refused; the text is its own            (permanent until something changes)
    ├── ApiUnavailable         it asks for patience, or failed: 429, 5xx            (retryable)
    │   └── ApiSilent              it cannot be reached                             (retryable)
    ├── ApiConflict            another client wrote the object first                (retryable)
    └── ObjectMissing          there is no such object, or no such kind
"""

import json
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import aiohttp
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration

from asya_kube.resources import VERSION, Kind, kind_of
from asya_protocol.errors import AsyaError, Fault

FIELD_MANAGER: Final = "asya-operator"
"""Owner of the fields that we apply; what others set beside them stays."""
TIMEOUT_S: Final = 30.0
_JSON: Final = "application/json"
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""As kubectl asks; a server that cannot leave the rest out gives whole objects, whose metadata are the same."""
PAGE: Final = 500
"""Objects per answer of a long list."""

Observe = Callable[[str, str, int, float], None]
"""Called after each request with verb, plural, HTTP status (0: no answer) and seconds."""


class ApiError(AsyaError):
    """The API server refused a request."""

    fault: ClassVar[Fault] = "peer"


class ApiUnavailable(ApiError):
    """The API server asks for patience, or failed; a webhook that it needs may be away."""

    retryable: ClassVar[bool] = True


class ApiSilent(ApiUnavailable):
    """The API server does not answer, so that asking for something else is in vain too."""


class ApiConflict(ApiError):
    """The object exists already, or changed since it was read."""

    retryable: ClassVar[bool] = True


class ObjectMissing(ApiError):
    """No such object; for a whole kind: its CRD is not installed."""


class KubeApi:
    """A connection to one API server; use as an async context manager.

    Args:
        observe: Called after every request.
        kubeconfig: A kubeconfig's content to use instead of what the process finds for itself.
        context: Of that kubeconfig; ``None`` takes its current one.
    """

    def __init__(
        self,
        observe: Observe | None = None,
        *,
        kubeconfig: Mapping[str, Any] | None = None,
        context: str | None = None,
    ) -> None:
        self._observe = observe or (lambda *_: None)
        self._kubeconfig = kubeconfig
        self._context = context
        self._client: ApiClient | None = None

    async def __aenter__(self) -> Self:
        """Read credentials: a kubeconfig where there is one, else the pod's service account.

        Raises:
            ApiUnavailable: There are none.
        """
        configuration = Configuration()
        try:
            if self._kubeconfig is None:
                await config.load_config(client_configuration=configuration)
            else:
                await config.load_kube_config_from_dict(
                    dict(self._kubeconfig), context=self._context, client_configuration=configuration
                )
        except config.ConfigException as exc:
            raise ApiUnavailable(
                f"no credentials for a cluster ({exc}); set KUBECONFIG or run in a pod with a service account"
            ) from exc
        self._client = ApiClient(configuration)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def apply(self, manifest: Mapping[str, Any], manager: str = FIELD_MANAGER) -> dict[str, Any]:
        """Server-side apply one object, or some fields of it; returns it as stored.

        Args:
            manifest: What is wanted.
            manager: Field manager that owns what is set; a field is removed when its last manager leaves it out.

        Raises:
            ApiError: It was refused; the text is the server's own.
        """
        meta = manifest["metadata"]
        path = kind_of(manifest).path(meta.get("namespace"), meta["name"])
        query = {"fieldManager": manager, "force": "true"}
        return await self._request("PATCH", path, kind_of(manifest), body=manifest, content_type=_APPLY, query=query)

    async def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any] | None:
        """Read one object; ``None`` when it does not exist."""
        try:
            return await self._request("GET", kind.path(namespace, name), kind)
        except ObjectMissing:
            return None

    async def version(self) -> str:
        """The API server's own version, such as ``v1.35.2``; every authenticated client may ask.

        Raises:
            ApiError: It did not say.
        """
        return str((await self._request("GET", "/version", VERSION)).get("gitVersion") or "")

    async def list_metadata(self, kind: Kind, namespace: str | None = None) -> list[dict[str, Any]]:
        """Read the metadata of all objects of a kind, in one namespace or in all, page by page, without the rest."""
        found: list[dict[str, Any]] = []
        query = {"limit": str(PAGE)}
        while True:
            answer = await self._request("GET", kind.path(namespace, ""), kind, accept=_METADATA, query=query)
            # The API server writes an empty list of metadata as null.
            found += [item["metadata"] for item in answer.get("items") or []]
            query["continue"] = (answer.get("metadata") or {}).get("continue", "")
            if not query["continue"]:
                return found

    async def list(
        self, kind: Kind, namespace: str | None = None, selector: str = "", fields: str = "", *, cached: bool = False
    ) -> list[dict[str, Any]]:
        """Read all objects of a kind, in one namespace or in all; ``cached`` ones cost the server's database nothing."""
        given = {"labelSelector": selector, "fieldSelector": fields, "resourceVersion": "0" if cached else ""}
        query = {key: value for key, value in given.items() if value}
        answer = await self._request("GET", kind.path(namespace, ""), kind, query=query)
        return list(answer.get("items") or [])

    async def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create one object.

        Raises:
            ApiConflict: It exists.
        """
        kind, namespace = kind_of(manifest), manifest["metadata"].get("namespace")
        return await self._request("POST", kind.path(namespace, ""), kind, body=manifest)

    async def replace(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Write one object whole, if it is still at its resourceVersion.

        Raises:
            ApiConflict: It was changed meanwhile.
        """
        kind, meta = kind_of(manifest), manifest["metadata"]
        return await self._request("PUT", kind.path(meta.get("namespace"), meta["name"]), kind, body=manifest)

    async def patch(
        self, kind: Kind, namespace: str, name: str, changes: Mapping[str, Any], subresource: str = ""
    ) -> dict[str, Any]:
        """Merge changes into one object, or into its subresource (``status``)."""
        path = kind.path(namespace, name) + (f"/{subresource}" if subresource else "")
        return await self._request("PATCH", path, kind, body=changes, content_type=_MERGE)

    async def delete(self, kind: Kind, namespace: str | None, name: str, uid: str = "") -> bool:
        """Delete one object, what it owns in the background; whether it was there.

        Raises:
            ApiConflict: The object of this name has another uid than the given one.
        """
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self._request("DELETE", kind.path(namespace, name), kind, body=body)
        except ObjectMissing:
            return False
        return True

    async def _request(
        self,
        method: str,
        path: str,
        kind: Kind,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        if self._client is None:
            raise ApiUnavailable("the connection is not open")
        started, status = time.monotonic(), 0
        try:
            answer = await self._client.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Content-Type": content_type, "Accept": accept},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=TIMEOUT_S,
            )
            text = await answer.read()
            status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise ApiSilent(f"the Kubernetes API cannot be reached: {exc or type(exc).__name__}") from exc
        finally:
            self._observe(method.lower(), kind.plural, status, time.monotonic() - started)
        if 200 <= status <= 299:
            return dict(json.loads(text))
        raise _refusal(status, text, f"{method} {path}")


def _refusal(status: int, text: bytes, what: str) -> ApiError:
    try:
        message = str(json.loads(text).get("message", "")) or text.decode("utf-8", "replace")
    except (ValueError, AttributeError):
        message = text.decode("utf-8", "replace")
    kinds: dict[int, type[ApiError]] = {404: ObjectMissing, 409: ApiConflict}
    if status == 429 or status >= 500:
        return ApiUnavailable(f"{what}: {status} {message}")
    return kinds.get(status, ApiError)(f"{what}: {status} {message}")


def is_owned(present: Mapping[str, Any] | None, uid: str) -> bool:
    """Whether an object is there and belongs to the actor with this uid; names of two actors' objects may meet."""
    owners = (present or {}).get("metadata", {}).get("ownerReferences") or []
    return any(owner.get("uid") == uid for owner in owners)


async def delete_owned(api: KubeApi, kind: Kind, namespace: str, name: str, uid: str) -> bool:
    """Delete one object if it belongs to the actor with this uid; whether it did."""
    return is_owned(await api.get(kind, namespace, name), uid) and await api.delete(kind, namespace, name)
