"""The object store as the crew sees it, the folder that stands in for one, and the choice between the stores.

Objects are small JSON documents. A ``put`` that returned is kept; one that failed raises, so that the envelope behind
it is not settled. S3 is in ``s3_store``, imported only when it is chosen.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from asya_crew.settings import read_store_settings


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of an object besides its bytes.

    Attributes:
        modified_s: When it was last written, seconds since 1970.
        metadata: As given to ``put``.
    """

    modified_s: float
    metadata: Mapping[str, str] = field(default_factory=dict)


class Store(Protocol):
    """Objects by key; keys are relative paths with ``/`` between segments."""

    def put(
        self,
        key: str,
        body: bytes,
        content_type: str = "application/json",
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write an object, replacing one of the same key; metadata is ASCII text by name."""

    def get(self, key: str) -> bytes | None:
        """Read an object; none when there is none."""

    def info(self, key: str) -> ObjectInfo | None:
        """Ask about an object without reading it; none when there is none."""

    def list(self, prefix: str) -> list[str]:
        """Keys that start with a prefix, sorted."""


class FolderStore:
    """Objects as files in a folder: key segments are sub-folders, metadata is a hidden file beside the object."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(
        self,
        key: str,
        body: bytes,
        content_type: str = "application/json",
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write the file under another name first, so that a reader never sees half of it."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        if metadata:
            _replace(_metadata_path(path), json.dumps(dict(metadata)).encode())
        else:
            _metadata_path(path).unlink(missing_ok=True)
        _replace(path, body)

    def get(self, key: str) -> bytes | None:
        """Read the file."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def info(self, key: str) -> ObjectInfo | None:
        """Read the file's time and the hidden file beside it."""
        path = self._path(key)
        try:
            modified_s = path.stat().st_mtime
        except FileNotFoundError:
            return None
        try:
            metadata = json.loads(_metadata_path(path).read_bytes())
        except FileNotFoundError:
            metadata = {}
        return ObjectInfo(modified_s=modified_s, metadata=metadata)

    def list(self, prefix: str) -> list[str]:
        """Walk the folder that the prefix names; hidden files are not objects."""
        start = self._root / prefix.rpartition("/")[0]
        return sorted(key for key in self._keys(start) if key.startswith(prefix))

    def _keys(self, start: Path) -> Iterator[str]:
        for folder, _, names in os.walk(start):
            for name in names:
                if not name.startswith("."):
                    yield (Path(folder) / name).relative_to(self._root).as_posix()

    def _path(self, key: str) -> Path:
        if any(segment in {"", ".", ".."} or segment.startswith(".") for segment in key.split("/")):
            raise ValueError(f"key {key!r} has a segment that is empty or starts with a dot")
        return self._root / key


def _metadata_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.meta")


def _replace(path: Path, body: bytes) -> None:
    handle, partial = tempfile.mkstemp(prefix=".partial-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def open_store(environ: Mapping[str, str]) -> Store | None:
    """Open the store that the environment names; none when it names none.

    Args:
        environ: ``ASYA_STORE_URL``, ``ASYA_S3_*`` and ``AWS_REGION``, see ``settings.StoreSettings``.

    Raises:
        SettingsError: A value cannot be used; names the variable.
    """
    settings = read_store_settings(environ)
    if settings.folder is not None:
        return FolderStore(Path(settings.folder))
    if settings.bucket is not None:
        from asya_crew.s3_store import S3Store, open_s3_client

        return S3Store(open_s3_client(settings), settings.bucket, settings.region)
    return None
