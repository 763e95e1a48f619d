"""Print the images that a mesh needs, one a line, for a registry that has to hold them first: `make image-list`."""

from importlib.metadata import version
from typing import Final

from asya_infra import collector, monitoring
from asya_oss import images
from lab.images.catalogue import IMAGES

THIRD_PARTIES: Final = (
    images.POSTGRES,
    images.RABBITMQ,
    images.SEAWEEDFS,
    monitoring.PROMETHEUS_IMAGE,
    monitoring.GRAFANA_IMAGE,
    images.POSTGRES_EXPORTER,
    collector.IMAGE,
)
"""Only where the chart's own PostgreSQL is wanted (asya-gateway), or what the Pulumi program installs besides: broker and store
(profile oss), `asya:monitoring`, `asya:collector`."""


def main() -> None:
    """Print ours, which are always needed, then others'."""
    for image in IMAGES:
        print(f"{image.name}:{version(image.name)}")
    for other in THIRD_PARTIES:
        print(other)


if __name__ == "__main__":
    main()
