"""What rendering needs to know besides the actor. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from asya_manifest.limit import LimitSpec
from asya_manifest.pod import EnvVar
from asya_operator.specs.pod_defaults import USER
from asya_operator.transport_config import TransportConfig
from asya_protocol.names import QueueNames


@dataclass(frozen=True, slots=True)
class RenderContext:
    """The operator's side of a rendering.

    Attributes:
        transport: The transport that the actor names.
        namespace: The actor's namespace.
        sidecar_image: For actors that name none.
        gateway_url: Where sidecars report; empty: nowhere.
        runtime_source: Text of the runtime's file.
        native_sidecar: Inject the sidecar as an init container that keeps running.
        queue_names: Of the mesh.
        handed_on: Environment of every sidecar, from the operator's own.
        limits: Of the actor's namespace, by name.
        pod_monitor: Whether the cluster knows PodMonitors.
        native_histograms: Whether its PodMonitors may ask for native histograms.
        monitor_labels: Of PodMonitors, besides their own.
        network_policy: Whether actors' pods are closed to callers.
        restricted: Whether actors may ask for nothing of their node, of other actors' rights or of the mesh's wiring.
        actor_user: Of pods whose template names no user; ``None`` leaves it to the cluster.
    """

    transport: TransportConfig
    namespace: str = "default"
    sidecar_image: str = "asya-sidecar:latest"
    gateway_url: str = ""
    runtime_source: str = field(default="", repr=False)
    native_sidecar: bool = True
    queue_names: QueueNames = field(default_factory=QueueNames)
    handed_on: tuple[EnvVar, ...] = ()
    limits: Mapping[str, LimitSpec] = field(default_factory=dict)
    pod_monitor: bool = False
    native_histograms: bool = False
    monitor_labels: Mapping[str, str] = field(default_factory=dict)
    network_policy: bool = True
    restricted: bool = True
    actor_user: int | None = USER
