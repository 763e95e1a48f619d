"""Builds every image, prints its size, and loads it into the cluster when one is up.

Exit code 1 when an image cannot be built or has outgrown its limit.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from lab.cluster.load import load
from lab.cluster.place import Place, place
from lab.errors import LabError
from lab.images.builder import Builder, find_builder
from lab.images.catalogue import IMAGES, Image
from lab.images.foundation import OFFICIAL, Base, find_base
from lab.images.packages import own_architecture
from lab.images.size import layer_sizes

_MB: Final = 1_000_000


def main() -> None:
    """Build the images named on the command line, by default all."""
    parser = argparse.ArgumentParser(prog="python -m lab.images", description=__doc__)
    parser.add_argument("rooms", nargs="*", help=f"which of {', '.join(image.room for image in IMAGES)}; default: all")
    chosen = parser.parse_args().rooms
    unknown = set(chosen) - {image.room for image in IMAGES}
    if unknown:
        parser.error(f"no such image: {', '.join(sorted(unknown))}")
    cluster = place()
    up = cluster.kind_marker.exists() or cluster.socket.exists()
    try:
        builder = find_builder()
        base = find_base(builder)
        print(f"images: building with {builder.program} on {base.image}, Python {base.python}", flush=True)
        if base.stand_in and up:
            _load_base(builder, base, cluster)
        too_large = [
            image.name
            for image in IMAGES
            if (not chosen or image.room in chosen) and not _build(image, builder, base, cluster if up else None)
        ]
    except LabError as exc:
        print(f"images: {exc}", file=sys.stderr)
        sys.exit(1)
    if not up:
        print("images: no cluster is up to load them into: make cluster")
    if too_large:
        print(f"images: too large: {', '.join(too_large)}", file=sys.stderr)
        sys.exit(1)


def _build(image: Image, builder: Builder, base: Base, cluster: Place | None) -> bool:
    """Build, measure and load one image; whether it keeps its limit."""
    began, tag = time.monotonic(), f"{image.name}:dev"
    with tempfile.TemporaryDirectory(prefix=f"asya-image-{image.room}.") as folder:
        architecture = own_architecture()
        image.build(builder, tag, Path(folder), base=base, own_base=base, architecture=architecture)
        archive = Path(folder) / "image.tar"
        builder.save(tag, archive, f"localhost/{tag}")
        sizes = layer_sizes(archive)
        beyond = sum(sizes[len(builder.layers(base.image)) :]) / _MB
        whole, seconds = sum(sizes) / _MB, time.monotonic() - began
        print(f"images: {tag}: {whole:.0f} MB compressed, {beyond:.0f} MB beyond the base, {seconds:.0f} s")
        if cluster is not None:
            # A manifest may say either; the name without a host means Docker Hub to a container runtime.
            load(cluster, archive, [f"docker.io/library/{tag}"])
    return image.limit_mb is None or beyond <= image.limit_mb


def _load_base(builder: Builder, base: Base, cluster: Place) -> None:
    """Let manifests that say python:3.13-slim run without a registry: on the stand-in, whose Python is an older one."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "base.tar"
        builder.save(base.image, archive, base.image)
        load(cluster, archive, [OFFICIAL, "localhost/python:3.13-slim"])


if __name__ == "__main__":
    main()
