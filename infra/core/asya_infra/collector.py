"""A collector of traces for one mesh: takes spans of all its processes, and sends them where they are kept. Pure.

It is there so that no pod holds the credentials of that place, and so that a place that is slow or away meets one queue with a
bound instead of each sidecar's. Configuration: https://opentelemetry.io/docs/collector/configuration/
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import yaml

from asya_infra.installation import Manifest, let_in, secret
from asya_infra.pod_shapes import resources, service, settings_digest, workload

IMAGE: Final = "docker.io/otel/opentelemetry-collector:0.162.0"
NAME: Final = "asya-collector"
HTTP_PORT: Final = 4318
GRPC_PORT: Final = 4317
METRICS_PORT: Final = 8888
MEMORY_MIB: Final = 400
USER: Final = 10001
"""The image's own."""


@dataclass(frozen=True, kw_only=True)
class Tracing:
    """Which traces a mesh records, and where they go.

    Attributes:
        endpoint: Base URL of what keeps traces, by OTLP over HTTP.
        headers: Sent with each request there; a JSON object of texts, a secret.
        share: Of the traces that begin in the mesh, 0 to 1.
        url: Where a person sees a trace, with ``{trace_id}`` in it; empty links nowhere.
    """

    endpoint: str
    headers: pulumi.Output[str] | None = None
    share: float = 0.1
    url: str = ""

    def environment(self, namespace: str) -> dict[str, str]:
        """What the operator and the gateway are told; the operator tells the sidecars."""
        told = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{NAME}.{namespace}.svc.cluster.local:{HTTP_PORT}",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": f"{self.share:g}",
        }
        return told | ({"ASYA_TRACE_URL": self.url} if self.url else {})


def objects(namespace: str, tracing: Tracing, image: str = IMAGE) -> list[Manifest]:
    """The collector.

    Args:
        namespace: The operator's; callers are all pods of the cluster.
        tracing: Where to.
        image: Of the collector.
    """
    text = pulumi.Output.from_input(tracing.headers or "{}").apply(
        lambda headers: config(tracing.endpoint, json.loads(headers))
    )
    container: dict[str, Any] = {
        "image": image,
        "args": ["--config=/etc/asya/collector/config.yaml"],
        "env": [{"name": "GOMEMLIMIT", "value": f"{MEMORY_MIB}MiB"}],
        "ports": [
            {"name": "otlp-http", "containerPort": HTTP_PORT},
            {"name": "otlp-grpc", "containerPort": GRPC_PORT},
            {"name": "metrics", "containerPort": METRICS_PORT},
        ],
        "readinessProbe": {"tcpSocket": {"port": "otlp-http"}, "periodSeconds": 5},
        "resources": resources("50m", "128Mi", f"{MEMORY_MIB + 112}Mi"),
        "volumeMounts": [{"name": "config", "mountPath": "/etc/asya/collector", "readOnly": True}],
    }
    return [
        secret(NAME, namespace, {"config.yaml": text}),
        workload(
            "Deployment",
            NAME,
            namespace,
            container,
            volumes=[{"name": "config", "secret": {"secretName": NAME}}],
            annotations={"asya.sh/settings": settings_digest({"config": text})},
            user=USER,
        ),
        service(NAME, namespace, {"otlp-http": HTTP_PORT, "otlp-grpc": GRPC_PORT}),
        let_in(NAME, namespace, [HTTP_PORT, GRPC_PORT, METRICS_PORT]),
    ]


def config(endpoint: str, headers: Mapping[str, str]) -> str:
    """The collector's configuration; a dollar sign of a value is doubled, for the collector puts variables in."""
    everywhere = "0.0.0.0"  # noqa: S104 - a pod's own network; a NetworkPolicy says who comes in
    made = {
        "receivers": {
            "otlp": {
                "protocols": {
                    "grpc": {"endpoint": f"{everywhere}:{GRPC_PORT}"},
                    "http": {"endpoint": f"{everywhere}:{HTTP_PORT}"},
                }
            }
        },
        "processors": {
            "memory_limiter": {"check_interval": "1s", "limit_mib": MEMORY_MIB, "spike_limit_mib": MEMORY_MIB // 4}
        },
        "exporters": {
            "otlp_http": {
                "endpoint": endpoint,
                "headers": {name: value.replace("$", "$$") for name, value in headers.items()},
                "sending_queue": {"batch": {"flush_timeout": "5s", "min_size": 512, "max_size": 4096}},
            }
        },
        "service": {
            "telemetry": {
                "metrics": {
                    "readers": [{"pull": {"exporter": {"prometheus": {"host": everywhere, "port": METRICS_PORT}}}}]
                }
            },
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": ["memory_limiter"], "exporters": ["otlp_http"]}
            },
        },
    }
    return str(yaml.safe_dump(made, sort_keys=False))
