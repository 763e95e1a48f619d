"""Print the images that a mesh needs, one a line, for a registry that has to hold them first: `make image-list`."""

from importlib.metadata import version
from typing import Final

from asya_oss import images
from lab.images.catalogue import IMAGES

THIRD_PARTIES: Final = (images.POSTGRES, images.RABBITMQ, images.SEAWEEDFS)
"""Only where the chart's own PostgreSQL is wanted (asya-gateway), or the Pulumi program's broker and store (profile oss)."""


def main() -> None:
    """Print ours, which are always needed, then others'."""
    for image in IMAGES:
        print(f"{image.name}:{version(image.name)}")
    for other in THIRD_PARTIES:
        print(other)


if __name__ == "__main__":
    main()
