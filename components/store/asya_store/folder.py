"""The store in a folder: objects as files, for one machine, without a server."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from asya_protocol.errors import StoreUnavailable
from asya_store.port import ObjectInfo


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
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if metadata:
                _replace(_metadata_path(path), json.dumps(dict(metadata)).encode())
            else:
                _metadata_path(path).unlink(missing_ok=True)
            _replace(path, body)

    def create(self, key: str, body: bytes) -> bool:
        """Write the file whole, then give it its name, which a link refuses where the name is taken."""
        path = self._path(key)
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(prefix=".partial-", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(body)
                path.hardlink_to(partial)
            except FileExistsError:
                return False
            finally:
                Path(partial).unlink(missing_ok=True)
            return True

    def get(self, key: str) -> bytes | None:
        """Read the file."""
        path = self._path(key)
        with _translated(path):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def info(self, key: str) -> ObjectInfo | None:
        """Read the file's time and the hidden file beside it."""
        path = self._path(key)
        with _translated(path):
            try:
                modified_s = path.stat().st_mtime
            except FileNotFoundError:
                return None
            try:
                metadata = json.loads(_metadata_path(path).read_bytes())
            except FileNotFoundError:
                metadata = {}
        return ObjectInfo(modified_s=modified_s, metadata=metadata)

    def list(self, prefix: str, *, after: str = "", most: int | None = None) -> list[str]:
        """Walk the folder that the prefix names; hidden files are not objects."""
        start = self._root / prefix.rpartition("/")[0]
        return sorted(key for key in self._keys(start) if key.startswith(prefix) and key > after)[:most]

    def delete(self, key: str) -> None:
        """Remove the file and the hidden one beside it."""
        path = self._path(key)
        with _translated(path):
            path.unlink(missing_ok=True)
            _metadata_path(path).unlink(missing_ok=True)

    def _keys(self, start: Path) -> Iterator[str]:
        for folder, _, names in os.walk(start):
            for name in names:
                if not name.startswith("."):
                    yield (Path(folder) / name).relative_to(self._root).as_posix()

    def _path(self, key: str) -> Path:
        if any(segment in {"", ".", ".."} or segment.startswith(".") for segment in key.split("/")):
            raise ValueError(f"key {key!r} has a segment that is empty or starts with a dot")
        return self._root / key


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StoreUnavailable(f"{path}: {exc}") from exc


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
