"""The tool files: one, or every ``*.yaml`` and ``*.yml`` of a folder, by name and not below."""

from pathlib import Path

from asya_gateway.tools import InvalidTools, Tool, parse_tools


def read_tools(path: Path | None) -> dict[str, Tool]:
    """Read the tools that a path stands for; none without a path.

    Raises:
        InvalidTools: The path cannot be read, or a file breaks a rule.
    """
    if path is None:
        return {}
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"} and file.is_file())
        if not files:
            raise InvalidTools(f"{path}: no .yaml or .yml files in this folder")
    try:
        return parse_tools([(str(file), file.read_text(encoding="utf-8")) for file in files])
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidTools(f"{path}: {exc}") from exc
