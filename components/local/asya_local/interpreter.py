"""Which Python runs a handler: the first of those that its author may mean.

In this order: ``--python``, ``spec.workload.pythonExecutable``, the activated environment, ``.venv`` of the folder of the
handler's code, and ours. A manifest's interpreter that is not on this machine is one of the cluster's image: it is passed
over, with a note.
"""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from asya_local.errors import MeshError

ANY: Final = "python3"
"""What a manifest that names no interpreter means."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One Python.

    Attributes:
        path: Its program.
        origin: Who chose it, in words.
        note: What was passed over, else empty.
    """

    path: str
    origin: str
    note: str = ""

    def __str__(self) -> str:
        """Write both."""
        return f"{self.path} ({self.origin})"


def activated_environment(environ: Mapping[str, str]) -> str | None:
    """The folder of the activated environment; ours is as good as none."""
    folder = environ.get("VIRTUAL_ENV") or environ.get("CONDA_PREFIX")
    return folder if folder and Path(folder).resolve() != Path(sys.prefix).resolve() else None


def choose_python(asked: str | None, manifest: str, activated: str | None, source: Path) -> Interpreter:
    """Choose the interpreter of a handler.

    Args:
        asked: ``--python``, or ``None``.
        manifest: ``spec.workload.pythonExecutable``.
        activated: Folder of the activated environment, or ``None``.
        source: Folder of the handler's code.

    Raises:
        MeshError: ``--python`` is not on this machine.
    """
    if asked is not None:
        found = shutil.which(asked)
        if found is None:
            raise MeshError(f"--python {asked!r} is not on this machine")
        return Interpreter(found, "--python")
    note = ""
    if manifest != ANY:
        if found := shutil.which(manifest):
            return Interpreter(found, "the manifest")
        note = f"spec.workload.pythonExecutable {manifest!r} is not on this machine"
    folders = [(source / ".venv", ".venv of the code's folder")]
    if activated is not None:
        folders.insert(0, (Path(activated), "the activated environment"))
    for folder, origin in folders:
        if found := shutil.which(str(folder / "bin" / "python")):
            return Interpreter(found, origin, note and f"{note}; {found} runs it")
    return Interpreter(sys.executable, "Asya's own", note and f"{note}; {sys.executable} runs it")
