"""How large an image is when it travels: its compressed layers, read from its archive."""

import json
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any, Final

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


def layer_sizes(archive: Path) -> list[int]:
    """The compressed size of each layer, the lowest first."""
    with tarfile.open(archive) as tar:
        manifest = _json(tar, "index.json")
        while "layers" not in manifest:  # An index may lead to another one first.
            manifest = _json(tar, _blob(manifest["manifests"][0]["digest"]))
        return [_compressed(tar, _blob(layer["digest"])) for layer in manifest["layers"]]


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _open(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    stream = tar.extractfile(name)
    if stream is None:
        raise FileNotFoundError(name)
    return stream


def _json(tar: tarfile.TarFile, name: str) -> dict[str, Any]:
    return dict(json.load(_open(tar, name)))


def _compressed(tar: tarfile.TarFile, name: str) -> int:
    stream = _open(tar, name)
    if stream.read(4).startswith((_GZIP, _ZSTD)):
        return tar.getmember(name).size
    stream.seek(0)
    packer, total = zlib.compressobj(), 0
    while chunk := stream.read(1 << 20):
        total += len(packer.compress(chunk))
    return total + len(packer.flush())
