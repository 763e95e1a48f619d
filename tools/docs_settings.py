"""Write docs/settings.md from the rooms' settings (``asya_process.settings``); with ``--check`` only compare."""

import argparse
import dataclasses
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from asya_process.settings import Setting, settings_of
from lab.checkout import ROOT
from tools.docstrings import classes, documented, sentence
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
    for path in sorted(ROOT.glob("components/*/asya_*/*settings.py")):
        parts += sections(path)
    write_or_compare(PAGE, "\n".join(parts), check=arguments.check, command="make docs")


def sections(path: Path) -> Iterator[str]:
    """Write each of a room's dataclasses with settings as a table, those that it has from its own modules included."""
    room = path.parent.name
    found = vars(importlib.import_module(f"{room}.{path.stem}")).values()
    for kind in (each for each in found if inspect.isclass(each) and dataclasses.is_dataclass(each)):
        if kind.__module__.split(".")[0] != room or not settings_of(kind):
            continue
        file = Path(inspect.getfile(kind))
        node = next(node for node in classes(file) if node.name == kind.__name__)
        meanings = {name: text for name, _, text in documented(node)}
        title, _, more = (inspect.getdoc(kind) or "").partition("\n\n")
        head = [f"## {room}: {title}", *(["", more] if more else []), "", f"Read by `{file.relative_to(ROOT)}`.", ""]
        rows = [row(said, said.required_as or meanings[name]) for name, said in settings_of(kind).items()]
        yield "\n".join([*head, "| variable | default | meaning |", "|---|---|---|", *rows, ""])


def row(said: Setting, meaning: str) -> str:
    """Write a setting as one line of a table."""
    default = "required" if said.required_as else {None: "unset", "": "empty"}.get(said.default, f"`{said.default}`")
    return f"| {', '.join(f'`{name}`' for name in said.variables)} | {default} | {sentence(meaning)} |"


if __name__ == "__main__":
    main()
