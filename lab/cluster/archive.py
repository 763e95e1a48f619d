"""Images from scratch that hold a static binary and a few files, as OCI archives.

No builder is needed for these. Layers are not compressed: they are only ever read on the machine that wrote them.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_OCI: Final = "application/vnd.oci.image"


def architecture() -> str:
    """This machine's architecture in the words of image configurations."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def write_archive(archive: Path, *, name: str, command: str, files: Mapping[str, Path], user: str = "0") -> None:
    """Write an image named ``name`` that holds ``files`` (path inside, file outside) and starts ``command``."""
    layer = _layer(files)
    layer_digest = _digest(layer)
    config = _json(
        {
            "architecture": architecture(),
            "os": "linux",
            "config": {"Entrypoint": [command], "User": user},
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _descriptor(f"{_OCI}.config.v1+json", config),
            "layers": [_descriptor(f"{_OCI}.layer.v1.tar", layer)],
        }
    )
    entry = _descriptor(f"{_OCI}.manifest.v1+json", manifest)
    entry["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json({"schemaVersion": 2, "manifests": [entry]}))
        for blob in (config, manifest, layer):
            _add(tar, "blobs/sha256/" + _digest(blob).removeprefix("sha256:"), blob)


def _layer(files: Mapping[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for inside, outside in sorted(files.items()):
            _add(tar, inside.lstrip("/"), outside.read_bytes(), mode=0o755)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}
