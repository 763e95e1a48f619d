"""Print the images that a mesh needs, one a line, for a registry that has to hold them first: `make image-list`."""

from importlib.metadata import version
from typing import Final

from asya_aws.node_objects import DEVICE_PLUGIN_IMAGE
from asya_infra import collector, monitoring
from asya_infra.settings import KEDA_IMAGES
from asya_infra.upstream import KEDA_URL
from asya_oss import images
from lab.images.catalogue import IMAGES

KEDA: Final = tuple(f"ghcr.io/kedacore/{name}:{KEDA_URL.partition('/v')[2].partition('/')[0]}" for name in KEDA_IMAGES)
"""Where actors scale and the cluster has no KEDA yet: those of the manifest that the Pulumi program installs."""
THIRD_PARTIES: Final = (
    images.POSTGRES,
    images.RABBITMQ,
    images.SEAWEEDFS,
    monitoring.PROMETHEUS_IMAGE,
    monitoring.GRAFANA_IMAGE,
    images.POSTGRES_EXPORTER,
    collector.IMAGE,
    DEVICE_PLUGIN_IMAGE,
)
"""Only where the chart's own PostgreSQL is wanted (asya-gateway), or what the Pulumi program installs besides: broker and store
(profile oss), `asya:monitoring`, `asya:collector`, GPUs in node groups of its own on AWS."""


def main() -> None:
    """Print ours, which are always needed, then KEDA's and others'."""
    for image in IMAGES:
        print(f"{image.name}:{version(image.name)}")
    for other in (*KEDA, *THIRD_PARTIES):
        print(other)


if __name__ == "__main__":
    main()
