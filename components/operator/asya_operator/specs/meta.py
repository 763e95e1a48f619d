"""What rendered objects share: their head with labels and owner, selectors, the metrics port. Pure."""

from collections.abc import Mapping
from typing import Any

from asya_kube.resources import ACTOR, Kind
from asya_manifest import pod_rules
from asya_manifest.actor import AsyncActor
from asya_manifest.labels import LABEL_ACTOR, LABEL_WORKLOAD


def owned(kind: Kind, actor: AsyncActor, uid: str, namespace: str, name: str | None = None) -> dict[str, Any]:
    """The head of an object that belongs to an actor and goes with it.

    Args:
        kind: Of the object.
        actor: The owner.
        uid: The owner's uid, from the API server.
        namespace: Of both.
        name: The object's name; ``None`` is the actor's.
    """
    metadata = {
        "name": name or actor.name,
        "namespace": namespace,
        "labels": {
            "app.kubernetes.io/name": actor.name,
            "app.kubernetes.io/component": "actor",
            "app.kubernetes.io/part-of": "asya",
            "app.kubernetes.io/managed-by": "asya-operator",
            LABEL_ACTOR: actor.name,
        },
        "ownerReferences": [
            {
                "apiVersion": ACTOR.api_version,
                "kind": ACTOR.kind,
                "name": actor.name,
                "uid": uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def selector_labels(actor: AsyncActor) -> dict[str, str]:
    """Labels by which the workload finds its pods; fixed for the workload's life.

    The template's own ``app`` is kept, since the user's Services may go by it; a selector that differed would be refused.
    """
    labels = actor.spec.workload.template.metadata.get("labels")
    own = labels.get("app") if isinstance(labels, Mapping) else None
    return {
        "app": str(own or actor.name),
        LABEL_ACTOR: actor.name,
        LABEL_WORKLOAD: actor.spec.workload.kind.lower(),
    }


def metrics_port(actor: AsyncActor) -> int | None:
    """Where the sidecar serves metrics and health; ``None`` when the actor's own sidecar environment turns that off."""
    return pod_rules.metrics_port(actor.spec.sidecar.env)
