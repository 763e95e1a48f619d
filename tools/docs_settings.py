"""Write docs/settings.md from the rooms' settings (``asya_process.settings``); with ``--check`` only compare."""

import argparse
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from asya_process.settings import Setting, settings_of
from lab.checkout import ROOT
from tools.docstrings import sentence
from tools.tree import write_or_compare

PAGE: Final = ROOT / "docs" / "settings.md"
HEADER: Final = """\
# Settings

Environment variables by the room that reads them; of two in one line the first that is set counts. An empty value equals
unset; a value that cannot be used ends the process at its start with a line that names the variable. Durations are written
like `30s`, `5m` or `1h30m`.

This page is made from the code by `make docs`.
"""


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the page differs")
    arguments = parser.parse_args()
    parts = [HEADER]
    for path in sorted(ROOT.glob("components/*/asya_*/settings.py")):
        parts += sections(path)
    write_or_compare(PAGE, "\n".join(parts), check=arguments.check, command="make docs")


def sections(path: Path) -> Iterator[str]:
    """Write each of a room's dataclasses with settings as a table, those that it has from its own modules included."""
    room = path.parent.name
    for kind in vars(importlib.import_module(f"{room}.settings")).values():
        if not inspect.isclass(kind) or kind.__module__.split(".")[0] != room or not (said := _said(kind)):
            continue
        title, _, more = (inspect.getdoc(kind) or "").partition("\n\n")
        file = Path(inspect.getfile(kind)).relative_to(ROOT)
        lines = [f"## {room}: {title}", "", *([more.replace("``", "`"), ""] if more else []), f"Read by `{file}`.", ""]
        yield "\n".join([*lines, "| variable | default | meaning |", "|---|---|---|", *map(row, said), ""])


def row(said: Setting) -> str:
    """Write a setting as one line of a table."""
    default = "required" if said.required else {None: "unset", "": "empty"}.get(said.default, f"`{said.default}`")
    return f"| {', '.join(f'`{name}`' for name in said.variables)} | {default} | {sentence(said.words)} |"


def _said(kind: type) -> list[Setting]:
    return list(settings_of(kind).values()) if hasattr(kind, "__dataclass_fields__") else []


if __name__ == "__main__":
    main()
