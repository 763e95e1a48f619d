"""Which objects are an actor's: told by the uid of their owner, never by a name, since names of two actors may meet."""

from collections.abc import Mapping
from typing import Any

from asya_kube.api import KubeApi
from asya_kube.resources import Kind


def is_owned(present: Mapping[str, Any] | None, uid: str) -> bool:
    """Whether an object is there and belongs to the actor with this uid."""
    owners = (present or {}).get("metadata", {}).get("ownerReferences") or []
    return any(owner.get("uid") == uid for owner in owners)


async def delete_owned(api: KubeApi, kind: Kind, namespace: str, name: str, uid: str) -> bool:
    """Delete one object if it belongs to the actor with this uid; whether it did.

    Raises:
        ApiError: It could not be read or deleted.
    """
    if not is_owned(await api.get(kind, namespace, name), uid):
        return False
    return await api.delete(kind, namespace, name)
