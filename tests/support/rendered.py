"""Actors rendered into Kubernetes objects, as the operator does it, without a cluster."""

import json
from typing import Any

from asya_manifest.actor import AsyncActor, parse_actor
from asya_operator.specs.context import RenderContext
from asya_operator.specs.render import render
from asya_operator.transport_config import TransportConfig, parse_transports

UID = "5e6f"
RUNTIME_SOURCE = "print('runtime')\n"
SQS: dict[str, Any] = {"region": "eu-west-1", "accountId": "123456789012"}
RABBITMQ: dict[str, Any] = {
    "host": "rabbit.asya",
    "username": "asya",
    "passwordSecretRef": {"name": "rabbit", "key": "password"},
}


def transport(kind: str = "sqs", **config: Any) -> TransportConfig:
    """A transport that is named after its type."""
    base = SQS if kind == "sqs" else RABBITMQ
    entry = {"type": kind, "enabled": True, "config": {**base, **config}}
    return parse_transports(json.dumps({"transports": {kind: entry}})).get(kind)


def context(kind: str = "sqs", *, config: dict[str, Any] | None = None, **fields: Any) -> RenderContext:
    """What the operator brings to a rendering."""
    found = {"namespace": "prod", "runtime_source": RUNTIME_SOURCE, **fields}
    return RenderContext(transport=transport(kind, **(config or {})), **found)


def actor(name: str = "hello-actor", annotations: dict[str, str] | None = None, **spec: Any) -> AsyncActor:
    """An actor in the short form with parts of its spec replaced."""
    base = {"transport": "sqs", "handler": "handler.process", "image": "python:3.13-slim"}
    document = {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": name, "namespace": "prod", "annotations": annotations or {}},
        "spec": {**base, **spec},
    }
    return parse_actor(document)


def with_pod(pod: dict[str, Any], runtime: dict[str, Any] | None = None, **workload: Any) -> dict[str, Any]:
    """``spec.workload`` with a pod spec, whose runtime container has more fields."""
    containers = [{"name": "asya-runtime", **(runtime or {})}, *pod.get("containers", [])]
    return {**workload, "template": {"spec": {**pod, "containers": containers}}}


def objects(declared: AsyncActor, given: RenderContext | None = None) -> dict[str, dict[str, Any]]:
    """Everything rendered, as ``Kind/name``."""
    rendered = render(declared, UID, given or context())
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in rendered}


def pod_of(declared: AsyncActor, given: RenderContext | None = None) -> dict[str, Any]:
    """The pod spec of the actor's workload."""
    kind = declared.spec.workload.kind
    spec: dict[str, Any] = objects(declared, given)[f"{kind}/{declared.name}"]["spec"]["template"]["spec"]
    return spec


def container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """A container of a pod, the kept-running init containers among them."""
    found: dict[str, Any] = next(
        each for each in [*pod["containers"], *pod.get("initContainers", [])] if each["name"] == name
    )
    return found
