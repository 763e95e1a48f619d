"""AsyncActor manifests for tests on a cluster: a handler in a ConfigMap, on the plain Python image."""

from typing import Any

FAST_SCALING = {"enabled": True, "minReplicas": 0, "maxReplicas": 5, "pollingInterval": 2, "cooldownPeriod": 10}


def handler(name: str, source: str) -> dict[str, Any]:
    """A ConfigMap that holds ``handler.py``."""
    meta = {"name": f"{name}-handler"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"handler.py": source}}


def actor(
    name: str,
    transport: str,
    *,
    scaling: dict[str, Any] | None = None,
    env: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """An AsyncActor whose handler is ``handler.process`` of its ConfigMap."""
    container = {
        "name": "asya-runtime",
        "image": "python:3.13-slim",
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "ASYA_HANDLER", "value": "handler.process"},
            {"name": "PYTHONPATH", "value": "/app"},
            *({"name": key, "value": value} for key, value in (env or {}).items()),
        ],
        "volumeMounts": [{"name": "handler", "mountPath": "/app"}],
    }
    volume = {"name": "handler", "configMap": {"name": f"{name}-handler"}}
    workload = {"kind": "Deployment", "template": {"spec": {"containers": [container], "volumes": [volume]}}}
    return {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": name, **({"annotations": annotations} if annotations else {})},
        "spec": {
            "transport": transport,
            "scaling": scaling if scaling is not None else FAST_SCALING,
            "workload": workload,
            **spec,
        },
    }
