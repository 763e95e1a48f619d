"""Write the files that an actor's mounts bring below the mesh's folder, and remove what no mount brings any more."""

import shutil
from pathlib import Path, PurePosixPath

from asya_local.container import FilePlan
from asya_local.errors import MeshError


def lay_out(plan: FilePlan, root: Path) -> None:
    """Make the folder hold exactly the planned files; content of empty volumes stays.

    Raises:
        MeshError: They cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        wanted = {root / file.path.relative_to("/") for file in plan.files}
        scratch = {root / folder.relative_to("/") for folder in plan.scratch}
        for path in sorted(root.rglob("*"), reverse=True):
            if path in wanted or any(path.is_relative_to(folder) for folder in scratch):
                continue
            if path.is_dir() and not path.is_symlink():
                if not any(path in other.parents for other in wanted | scratch):
                    shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for folder in scratch:
            folder.mkdir(parents=True, exist_ok=True)
        for file in plan.files:
            _write(root, file.path, file.content, file.mode)
    except OSError as exc:
        raise MeshError(f"mounted files cannot be written below {root}: {exc}") from exc


def _write(root: Path, path: PurePosixPath, content: bytes, mode: int) -> None:
    target = root / path.relative_to("/")
    if target.is_file() and target.read_bytes() == content:
        target.chmod(mode)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_bytes(content)
    temporary.chmod(mode)
    temporary.replace(target)
