"""The tool files: one, or every ``*.yaml`` and ``*.yml`` of a folder, by name and not below.

A folder may be empty: a gateway is often there before its first tool.
"""

from pathlib import Path

from asya_manifest.tools import InvalidTools, Tool, parse_tools

Texts = list[tuple[str, str]]
"""Name and content of each file."""


def read_tools(path: Path | None) -> dict[str, Tool]:
    """Read the tools that a path stands for; ``None`` without a path.

    Raises:
        InvalidTools: The path cannot be read, or a file breaks a rule.
    """
    return parse_tools(read_texts(path))


def read_texts(path: Path | None) -> Texts:
    """Read the files that a path stands for.

    Raises:
        InvalidTools: It cannot be read.
    """
    if path is None:
        return []
    try:
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"} and file.is_file())
        return [(str(file), file.read_text(encoding="utf-8")) for file in files]
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidTools(f"{path}: {exc}") from exc
