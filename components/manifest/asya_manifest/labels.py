"""Labels, annotations and fixed names of the Kubernetes objects of actors, each said once. Pure."""

from typing import Final

LABEL_ACTOR: Final = "asya.sh/asya"
"""On pods and owned objects: the actor's name; what status and scaling select pods by, as in Asya 0.1.1."""
LABEL_WORKLOAD: Final = "asya.sh/workload"
"""On pods: the kind of their workload, in lower case."""
LABEL_SCALED_OBJECT: Final = "scaledobject.keda.sh/name"
"""On the HorizontalPodAutoscaler that KEDA makes: its ScaledObject."""
ANNOTATION_SOURCE: Final = "asya.sh/source"
"""On an actor: folder of the handler's code for the local mesh, relative to the manifest's file."""
ANNOTATION_NATIVE: Final = "asya.sh/native-sidecar"
"""On an actor: ``"true"`` or ``"false"``, in place of the operator's own setting."""
ANNOTATION_DELETE_QUEUE: Final = "asya.sh/delete-queue"
"""On an actor: ``"true"`` lets its end delete the queue with its content."""
ANNOTATION_AWS_CREDENTIALS: Final = "asya.sh/expects-aws-credentials"
"""On an actor: ``"true"`` says that AWS gives its service account credentials, so that a pod without any came too early."""
ANNOTATION_RUNTIME: Final = "asya.sh/runtime-hash"
"""On pods: which runtime they run. A mounted file is not seen to change, so a changed hash rolls the pods."""
FINALIZER: Final = "asya.sh/finalizer"
"""On an actor: the operator has to see to its queue before it is gone."""
SOCKET_DIR: Final = "/var/run/asya"
"""Where runtime and sidecar of a pod share their socket."""
METRICS_PORT: Final = 8080
METRICS_PORT_NAME: Final = "asya-metrics"
"""Where a pod's sidecar serves its metrics and health, and the name that scrapers go by."""
RUNTIME_CONFIG_MAP: Final = "asya-runtime"
"""ConfigMap in every actor's namespace that holds the runtime's file; also the volume that mounts it."""
SOCKET_VOLUME: Final = "socket-dir"
"""Volume that runtime and sidecar of a pod share."""
TMP_VOLUME: Final = "tmp"
"""Volume at ``/tmp``, since the root file system is read-only."""


def trigger_auth_name(actor: str) -> str:
    """Name of an actor's TriggerAuthentication and of the ConfigMap behind it."""
    return f"{actor}-trigger-auth"


def service_account_name(actor: str) -> str:
    """Name of the service account that an actor gets on AWS."""
    return f"asya-{actor}"
