"""``python -m lab.images.publish REGISTRY``: build every image for amd64 and arm64, push them, and print them by digest.

The tag stands beside the digest, which decides: a reader sees the version. With ``--stack`` they go into that stack's settings
file, so that what was pushed is what `make up` installs.
"""

import argparse
import re
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lab.checkout import ROOT
from lab.errors import LabError
from lab.images.builder import find_builder
from lab.images.catalogue import IMAGES
from lab.images.foundation import find_base
from lab.images.packages import MACHINES, own_architecture

_REGISTRY: Final = re.compile(r"(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+|[a-z0-9-]+(?=:))(?::\d+)?(?:/[a-z0-9._-]+)*")


def main() -> None:
    """Publish; a failure is one line, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m lab.images.publish", description=__doc__)
    parser.add_argument(
        "registry", help="host, port and path, such as 123456789012.dkr.ecr.eu-central-1.amazonaws.com/asya"
    )
    parser.add_argument("--version", default=own_version(), help="tag of the images (default: %(default)s)")
    parser.add_argument("--stack", default="", help="write the digests into Pulumi.STACK.yaml")
    parser.add_argument("--images", nargs="*", default=[image.room for image in IMAGES], help="which (default: all)")
    parser.add_argument("--architectures", nargs="*", default=list(MACHINES), choices=list(MACHINES))
    chosen = parser.parse_args()
    try:
        settings = settings_file(chosen.stack) if chosen.stack else None
        pushed = publish(chosen.registry, chosen.version, chosen.images, chosen.architectures)
    except LabError as exc:
        print(f"publish: {exc}", file=sys.stderr)
        sys.exit(1)
    if settings is not None:
        values = {f"asya:{room}Image": tagged(image, chosen.version) for room, image in pushed.items()}
        settings.write_text(with_settings(settings.read_text(encoding="utf-8"), values), encoding="utf-8")
        print(f"publish: {settings.name} names them")


def publish(registry: str, version: str, rooms: list[str], architectures: list[str]) -> dict[str, str]:
    """Build and push, and return each image by its digest.

    Raises:
        LabError: The registry's name is none, an image cannot be built, or the registry refuses it.
    """
    if not _REGISTRY.fullmatch(registry):
        raise LabError(f"{registry[:200]!r} names no registry; write host[:port][/path], without https://")
    unknown = sorted(set(rooms) - {image.room for image in IMAGES})
    if unknown:
        raise LabError(f"there is no image {', '.join(unknown)}; there are {', '.join(image.room for image in IMAGES)}")
    builder, own = find_builder(), own_architecture()
    own_base = find_base(builder)
    pushed: dict[str, str] = {}
    for image in IMAGES:
        if image.room not in rooms:
            continue
        began, tags = time.monotonic(), []
        for architecture in architectures:
            base = own_base if architecture == own else find_base(builder, architecture)
            tags.append(f"localhost/{image.name}:{version}-{architecture}")
            with tempfile.TemporaryDirectory(prefix=f"{image.name}.") as folder:
                image.build(builder, tags[-1], Path(folder), base=base, own_base=own_base, architecture=architecture)
        name = f"{registry}/{image.name}"
        pushed[image.room] = f"{name}@{builder.push_index(tags, f'{name}:{version}')}"
        took_s = time.monotonic() - began
        print(
            f"publish: {tagged(pushed[image.room], version)} ({', '.join(architectures)}, {took_s:.0f} s)", flush=True
        )
    return pushed


def tagged(image: str, version: str) -> str:
    """An image by digest with its tag beside it: ``NAME:VERSION@DIGEST``. Pure."""
    return image.replace("@", f":{version}@")


def with_settings(text: str, values: Mapping[str, str]) -> str:
    """A settings file's text with settings replaced or added, and everything else as it was. Pure."""
    lines = text.splitlines()
    if "config:" not in lines:
        lines.append("config:")
    for key, value in values.items():
        told = f"  {key}: {value}"
        place = next((place for place, line in enumerate(lines) if line.startswith(f"  {key}:")), None)
        if place is None:
            lines.insert(lines.index("config:") + 1, told)
        else:
            lines[place] = told
    return "\n".join(lines) + "\n"


def settings_file(stack: str) -> Path:
    """Find a stack's settings.

    Raises:
        LabError: There are none.
    """
    path = ROOT / f"Pulumi.{stack}.yaml"
    if not path.exists():
        raise LabError(f"there is no {path.name}; write it first, docs/environments.md says how")
    return path


def own_version() -> str:
    """The version of this checkout."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


if __name__ == "__main__":
    main()
