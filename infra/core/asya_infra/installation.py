"""The Kubernetes objects of the operator and the crew: ``deploy/``'s own manifests, made to fit a stack.

There is one truth: what ``kubectl apply -k deploy/operator`` takes. Here its images, namespace and settings are replaced.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pulumi
import yaml

from asya_infra.ports import Store
from asya_infra.settings import Images
from asya_protocol import names

Manifest = dict[str, Any]
_HERE: Final = Path(__file__).parent
_IN_REPOSITORY: Final = _HERE.parents[2] / "deploy"
DEPLOY: Final = _IN_REPOSITORY if (_IN_REPOSITORY / "operator").is_dir() else _HERE.parent / "asya_infra_deploy"
"""At the top of the repository; installed from a wheel, beside this package."""
OPERATOR: Final = "asya-operator"
OPERATOR_CONFIG: Final = "asya-operator-config"
STORE_CONFIG: Final = "asya-store"
STORE_SECRET: Final = "asya-store-credentials"  # noqa: S105 - a name
SYSTEM_NAMESPACE: Final = "asya-system"
"""In the files."""
CREW: Final = names.CREW


@cache
def _documents(path: Path) -> tuple[Manifest, ...]:
    return tuple(document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document)


def read_deploy(*names: str) -> list[Manifest]:
    """Read manifests of ``deploy/``, e.g. ``operator/rbac.yaml``; fresh copies."""
    return [copy.deepcopy(document) for name in names for document in _documents(DEPLOY / name)]


def operator_objects(
    images: Images,
    namespace: str = SYSTEM_NAMESPACE,
    queue_prefix: str = names.QUEUE_PREFIX,
    report_secret: str = "",
    more: Mapping[str, str] | None = None,
) -> list[Manifest]:
    """CRD, RBAC, Deployment and what belongs to it; without the namespace.

    Args:
        images: With the operator's and the sidecar's.
        namespace: The operator's own.
        queue_prefix: Begins every queue's name.
        report_secret: Of every actor's namespace, with the token that sidecars show the gateway.
        more: Further environment, by name.
    """
    files = ("crd", "crd-limits", "rbac", "roles", "deployment")
    found = read_deploy(*(f"operator/{file}.yaml" for file in files))
    for manifest in found:
        _move(manifest, namespace)
        if manifest["kind"] == "Deployment":
            (container,) = manifest["spec"]["template"]["spec"]["containers"]
            container |= {"image": images.operator, "imagePullPolicy": images.pull_policy}
            _set_env(container, "ASYA_SIDECAR_IMAGE", images.sidecar)
            if queue_prefix != names.QUEUE_PREFIX:
                _set_env(container, "ASYA_QUEUE_PREFIX", queue_prefix)
            for name, value in (more or {}).items():
                _set_env(container, name, value)
            if report_secret:
                _set_env(container, "ASYA_GATEWAY_TOKEN_SECRET", report_secret)
    return found


def _move(manifest: Manifest, namespace: str) -> None:
    if "namespace" in manifest["metadata"]:
        manifest["metadata"]["namespace"] = namespace
    for subject in manifest.get("subjects", ()):
        subject["namespace"] = namespace


def _set_env(container: Manifest, name: str, value: str) -> None:
    env = container.setdefault("env", [])
    for entry in env:
        if entry["name"] == name:
            entry["value"] = value
            return
    env.append({"name": name, "value": value})


def namespace_object(name: str) -> Manifest:
    """A namespace whose pods keep to Pod Security `restricted`."""
    (found,) = read_deploy("operator/namespace.yaml")
    found["metadata"]["name"] = name
    return found


def operator_config(
    namespace: str, transport: str, config: Mapping[str, pulumi.Input[Any]], gateway_url: str = ""
) -> Manifest:
    """The ConfigMap from which the operator reads its transports.

    Args:
        namespace: The operator's.
        transport: Name and type of the one transport.
        config: Its ``config``; values may be outputs.
        gateway_url: Where sidecars report; empty reports nothing.
    """
    text = pulumi.Output.from_input(dict(config)).apply(
        lambda known: json.dumps(
            {"transports": {transport: {"type": transport, "enabled": True, "config": known}}}, sort_keys=True
        )
    )
    data: dict[str, pulumi.Input[str]] = {"transports.json": text}
    if gateway_url:
        data["gateway-url"] = gateway_url
    return config_map(OPERATOR_CONFIG, namespace, data)


def store_config(store: Store, namespace: str) -> Manifest:
    """The ConfigMap that leads the crew, the operator and the sidecars to the object store."""
    data = {
        "ASYA_S3_BUCKET": store.bucket,
        "ASYA_S3_BUCKET_OWNER": store.owner,
        "ASYA_S3_REGION": store.region,
        "ASYA_S3_ENDPOINT": store.endpoint,
    }
    return config_map(STORE_CONFIG, namespace, data)


def crew_actors(transport: str, images: Images, namespace: str) -> list[Manifest]:
    """The crew's AsyncActors, without those that need a store of which there is none."""
    found = read_deploy(*(f"crew/{name}.yaml" for name in CREW))
    for manifest in found:
        manifest["metadata"]["namespace"] = namespace
        manifest["spec"]["transport"] = transport
        (container,) = manifest["spec"]["workload"]["template"]["spec"]["containers"]
        container |= {"image": images.crew, "imagePullPolicy": images.pull_policy}
    return found


def config_map(name: str, namespace: str, data: Mapping[str, pulumi.Input[str]]) -> Manifest:
    """A ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": _labels(name)},
        "data": dict(data),
    }


def secret(
    name: str, namespace: pulumi.Input[str], data: Mapping[str, pulumi.Input[str]] | pulumi.Output[Mapping[str, str]]
) -> Manifest:
    """A Secret; its values are secrets in the stack's state, whatever they were."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": _labels(name)},
        "type": "Opaque",
        "stringData": pulumi.Output.secret(data)
        if isinstance(data, pulumi.Output)
        else {key: pulumi.Output.secret(value) for key, value in data.items()},
    }


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "asya"}


PULL_SECRET: Final = "asya-registry"  # noqa: S105 - a name
_PODS: Final = frozenset({"DaemonSet", "Deployment", "StatefulSet"})


def pull_secret(namespace: str, auth: pulumi.Input[str]) -> Manifest:
    """What pods of a namespace pull images with."""
    found = secret(PULL_SECRET, namespace, {".dockerconfigjson": auth})
    return {**found, "type": "kubernetes.io/dockerconfigjson"}


def pulling(manifest: Mapping[str, Any], images: Mapping[str, str], *, auth: bool) -> Manifest:
    """A workload with other images, by the last part of their names, and with what it pulls them by."""
    if manifest["kind"] not in _PODS:
        return dict(manifest)

    def chosen(container: Mapping[str, Any]) -> Manifest:
        last = str(container["image"]).partition("@")[0].rpartition("/")[2].partition(":")[0]
        return {**container, "image": images.get(last, container["image"])}

    spec, template = manifest["spec"], manifest["spec"]["template"]
    pod = dict(template["spec"])
    pod |= {key: [chosen(each) for each in pod[key]] for key in ("initContainers", "containers") if key in pod}
    if auth:
        pod["imagePullSecrets"] = [*pod.get("imagePullSecrets", ()), {"name": PULL_SECRET}]
    return {**manifest, "spec": {**spec, "template": {**template, "spec": pod}}}


def split(manifests: Sequence[Manifest], wanted: Callable[[Manifest], bool]) -> tuple[list[Manifest], list[Manifest]]:
    """Part manifests in those that are wanted and the others."""
    return [m for m in manifests if wanted(m)], [m for m in manifests if not wanted(m)]


KEDA_NAMESPACE: Final = "keda"
"""Where KEDA's own manifest installs it."""


def namespace_peer(namespace: str, app: str = "") -> Manifest:
    """A NetworkPolicy's peer: all pods of a namespace, or those of one app there."""
    peer: Manifest = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    if app:
        peer["podSelector"] = {"matchLabels": {"app.kubernetes.io/name": app}}
    return peer


def default_deny(namespace: str) -> Iterator[Manifest]:
    """NetworkPolicies of the system's namespace: nobody calls its pods but who is let in by another policy."""
    yield {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny", "namespace": namespace, "labels": _labels("asya")},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }


def let_in(
    name: str,
    namespace: str,
    ports: Sequence[int],
    callers: Sequence[Mapping[str, Any]] = (),
    selector: Mapping[str, str] | None = None,
) -> Manifest:
    """A NetworkPolicy that opens the ports of one app.

    Args:
        name: ``app.kubernetes.io/name`` of its pods, and the policy's.
        namespace: Where it runs.
        ports: TCP ports.
        callers: NetworkPolicy peers; empty lets in everybody in the cluster.
        selector: In place of the label.
    """
    rule: Manifest = {"ports": [{"protocol": "TCP", "port": port} for port in ports]}
    if callers:
        rule["from"] = [dict(caller) for caller in callers]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": _labels(name)},
        "spec": {
            "podSelector": {"matchLabels": dict(selector or {"app.kubernetes.io/name": name})},
            "policyTypes": ["Ingress"],
            "ingress": [rule],
        },
    }
