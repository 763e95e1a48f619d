"""What handlers inherit: the environment of the last ``asya local up``, and ``.env`` beside their code below it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from asya_local.errors import MeshError

DOTENV: Final = ".env"
_OURS: Final = "ASYA_"
"""Variables for the command that brings a mesh up; handlers get the mesh's own."""
_OF_A_TERMINAL: Final = frozenset(
    {"_", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES", "TERM", "COLORTERM", "WINDOWID", "DISPLAY", "PS1", "PPID"}
)
_OF_A_SESSION: Final = ("SSH_", "TERM_", "TMUX", "XDG_SESSION_", "VSCODE_", "ITERM_", "VTE_", "PYTEST_")


def inheritable(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out what is ours."""
    return {name: value for name, value in environ.items() if not name.startswith(_OURS)}


def lasting(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out what is ours, and what differs from terminal to terminal: that should not restart every replica."""
    return {
        name: value
        for name, value in inheritable(environ).items()
        if name not in _OF_A_TERMINAL and not name.startswith(_OF_A_SESSION)
    }


def read_dotenv(folder: Path) -> dict[str, str]:
    """Read ``.env`` of a folder; empty where there is none.

    Raises:
        MeshError: It cannot be read.
    """
    path = folder / DOTENV
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        return inheritable({name: value for name, value in dotenv_values(path).items() if value is not None})
    except (OSError, UnicodeDecodeError) as exc:
        raise MeshError(f"{path} cannot be read: {exc}") from exc
