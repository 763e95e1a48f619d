"""The Kubernetes kinds that the operator handles, and where the API server keeps them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from asya_manifest.actor import API_VERSION, KIND
from asya_manifest.limit import LIMIT_KIND


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind.

    Attributes:
        api_version: ``group/version``; ``v1`` for the core group.
        kind: As manifests spell it.
        plural: As paths spell it.
        namespaced: Whether its objects live in namespaces.
    """

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]

    def path(self, namespace: str | None, name: str) -> str:
        """The URL path of an object; of the collection where ``name`` is empty, of all namespaces without one."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")


ACTOR: Final = Kind(API_VERSION, KIND, "asyncactors")
LIMIT: Final = Kind(API_VERSION, LIMIT_KIND, "limits")
DEPLOYMENT: Final = Kind("apps/v1", "Deployment", "deployments")
STATEFUL_SET: Final = Kind("apps/v1", "StatefulSet", "statefulsets")
POD: Final = Kind("v1", "Pod", "pods")
CONFIG_MAP: Final = Kind("v1", "ConfigMap", "configmaps")
SECRET: Final = Kind("v1", "Secret", "secrets")
SERVICE: Final = Kind("v1", "Service", "services")
SERVICE_ACCOUNT: Final = Kind("v1", "ServiceAccount", "serviceaccounts")
EVENT: Final = Kind("v1", "Event", "events")
LEASE: Final = Kind("coordination.k8s.io/v1", "Lease", "leases")
HPA: Final = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
SCALED_OBJECT: Final = Kind("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
TRIGGER_AUTH: Final = Kind("keda.sh/v1alpha1", "TriggerAuthentication", "triggerauthentications")
POD_DISRUPTION_BUDGET: Final = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICY: Final = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
POD_MONITOR: Final = Kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors")
CRD: Final = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)

KINDS: Final = {(each.api_version, each.kind): each for each in tuple(vars().values()) if isinstance(each, Kind)}
"""All of the above."""
VERSION: Final = Kind("version", "Version", "versions")
"""The server's version: no object, and counted under this name."""
OWNED: Final = (
    SCALED_OBJECT,
    TRIGGER_AUTH,
    DEPLOYMENT,
    STATEFUL_SET,
    SERVICE,
    SERVICE_ACCOUNT,
    POD_DISRUPTION_BUDGET,
    NETWORK_POLICY,
    POD_MONITOR,
    CONFIG_MAP,
)
"""Kinds of which an actor may own objects, in the order in which they are taken away."""
WATCHED: Final = (*(kind for kind in OWNED if kind is not POD_MONITOR), POD, HPA)
"""Kinds whose changes lead to a reconcile of their actor; label selectors keep other people's objects out. PodMonitors are
not among them: few clusters know that kind, and kopf would warn of it in all others."""


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """The kind of an object.

    Raises:
        KeyError: It is none that the operator handles.
    """
    return KINDS[manifest["apiVersion"], manifest["kind"]]
