"""Turns a stack's settings into a mesh's options."""

from collections.abc import Sequence
from pathlib import Path

import pulumi
import yaml

from asya_infra.actor import AsyncActor
from asya_infra.asya_mesh import MeshOptions
from asya_infra.collector import Tracing
from asya_infra.errors import ConfigError
from asya_infra.installation import Manifest
from asya_infra.ports import Ingress
from asya_infra.settings import Settings
from asya_infra.target import Mesh
from asya_infra.upstream import read_upstream
from asya_manifest.actor import KIND
from asya_manifest.errors import ManifestError
from asya_manifest.files import list_files


def root_folder() -> Path:
    """The folder of ``Pulumi.yaml``; settings' relative paths start there."""
    # Python hosts older than get_root_directory's leave it empty; the program may run in a folder below it (`main`).
    here = Path.cwd()
    told = Path(pulumi.runtime.settings.SETTINGS.root_directory or "")
    return (
        told if told.is_absolute() else next((f for f in (here, *here.parents) if (f / "Pulumi.yaml").is_file()), here)
    )


def mesh_options(settings: Settings) -> MeshOptions:
    """Choose what a mesh installs.

    Raises:
        ConfigError: KEDA's manifest is not there.
    """
    keda: list[Manifest] = []
    if settings.keda not in ("installed", "none"):
        keda = read_upstream("asya:keda", settings.keda, settings.keda_sha256, root_folder())
    return MeshOptions(
        namespace=settings.namespace,
        system_namespace=settings.system_namespace,
        images=settings.images,
        keda=keda,
        scaling=settings.keda != "none",
        monitoring=settings.monitoring,
        tracing=_tracing(settings),
        gateway_tokens=settings.gateway_tokens,
        ingress=_ingress(settings),
        report_token=settings.report_token,
        queue_prefix=settings.queue_prefix,
        third_party=settings.third_party,
        registry_auth=settings.registry_auth,
        wait_s=settings.wait_s,
    )


def _tracing(settings: Settings) -> Tracing | None:
    if not settings.collector:
        return None
    return Tracing(
        endpoint=settings.collector,
        headers=settings.collector_headers,
        share=settings.trace_percent / 100,
        url=settings.trace_url,
    )


def _ingress(settings: Settings) -> Ingress | None:
    if not settings.ingress_class:
        return None
    return Ingress(
        host=settings.gateway_host, class_name=settings.ingress_class, tls_secret=settings.gateway_tls_secret
    )


def declare(mesh: Mesh, manifests: Sequence[Manifest]) -> list[AsyncActor]:
    """Declare actors from manifests, and first the objects that lie beside them."""
    others = [mesh.target.other(manifest) for manifest in manifests if manifest["kind"] != KIND]
    after = pulumi.ResourceOptions(depends_on=others)
    return [AsyncActor.from_manifest(m, mesh=mesh, opts=after) for m in manifests if m["kind"] == KIND]


def read_declared(settings: Settings) -> list[Manifest]:
    """Read ``asya:manifests``: AsyncActors, and whatever objects lie beside them.

    Raises:
        ConfigError: A file cannot be read.
    """
    root = root_folder()
    try:
        files = list_files([root / path for path in settings.manifests])
        found = [
            document
            for file in files
            for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
            if isinstance(document, dict) and document.get("kind")
        ]
    except (ManifestError, OSError, yaml.YAMLError) as exc:
        raise ConfigError("asya:manifests", str(exc)) from None
    return found
