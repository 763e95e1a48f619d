"""Write docs/settings.md from the settings dataclasses; with ``--check`` only compare.

A setting is a field of a dataclass in some room's ``settings.py`` whose docstring starts with the variable it is read
from: ```ASYA_X`: meaning``. The sidecar's ``hop`` field names several; their words are kept here and in ``RetryPolicy``.
The code is read, not imported.
"""

import argparse
import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from asya_protocol import names
from lab.checkout import ROOT
from tools.tree import write_or_compare

PAGE: Final = ROOT / "docs" / "settings.md"
RETRY: Final = ROOT / "components" / "sidecar" / "asya_sidecar" / "core" / "retry.py"
HOP: Final[dict[str, tuple[str, str]]] = {
    "ASYA_ACTOR_NAME": ("required", "The actor whose queue to consume."),
    "ASYA_ACTOR_HAPPY_END": ("`happy-end`", "Where finished envelopes go."),
    "ASYA_ACTOR_ERROR_END": ("`error-end`", "Where failed envelopes go."),
    "ASYA_IS_END_ACTOR": ("`false`", "This actor forwards nothing and takes envelopes whose route is finished."),
    "ASYA_IS_COLLECTOR": ("`true` for `fan-in`", "This actor keeps envelopes; one without output is done."),
    "ASYA_RUNTIME_TIMEOUT": ("`5m`", "One handler call; a handler that runs longer is ended and started again."),
    "ASYA_MAX_DELIVERIES": ("`5`", "Deliveries of a hop spent on crashes and timeouts before its dead letter queue."),
}
"""Variable: default and meaning, for what the sidecar's decisions are told."""
HEADER: Final = """\
# Settings

Environment variables by the room that reads them. An empty value equals unset; a value that cannot be used ends the
process at its start with a line that names the variable. Durations are written like `30s`, `5m` or `1h30m`.

This page is made from the code by `make docs`.
"""


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the page differs")
    arguments = parser.parse_args()
    parts = [HEADER]
    for path in sorted(ROOT.glob("components/*/asya_*/settings.py")):
        parts += [section(path, node) for node in classes(path)]
    write_or_compare(PAGE, "\n".join(part for part in parts if part), check=arguments.check, command="make docs")


def classes(path: Path) -> Iterator[ast.ClassDef]:
    """Yield the classes of a file in order."""
    yield from (node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef))


def section(path: Path, node: ast.ClassDef) -> str:
    """Write one class as a table; empty when none of its fields is read from a variable."""
    rows = [f"| {variable} | {default} | {meaning} |" for variable, default, meaning in fields(node)]
    if not rows:
        return ""
    title = f"## {path.parent.name}: {(ast.get_docstring(node) or node.name).splitlines()[0]}"
    return "\n".join(
        [
            title,
            "",
            f"Read by `{path.relative_to(ROOT)}`.",
            "",
            "| variable | default | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def fields(node: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """Yield variable, default and meaning of every documented field that is read from a variable."""
    for name, default, text in documented(node):
        if name == "transport":
            continue
        if name == "hop":
            yield from hop_fields(text)
        elif text.startswith("`"):
            _, variable, meaning = text.split("`", 2)
            yield f"`{variable}`", default, sentence(meaning.lstrip(":;, "))


def hop_fields(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the settings of decisions: each variable with its default in brackets, retries from their own class."""
    for variable, note in re.findall(r"`(ASYA_[A-Z_]+\*?)`(?: \(([^)]+)\))?", text):
        if variable == "ASYA_RETRY_*":
            policy = next(node for node in classes(RETRY) if node.name == "RetryPolicy")
            for field, default, meaning in documented(policy):
                yield (
                    f"`ASYA_RETRY_{field.removeprefix('retry_').removesuffix('_s').upper()}`",
                    default,
                    sentence(meaning),
                )
        else:
            default, meaning = HOP[variable]
            yield f"`{variable}`", f"`{note}`" if note[:1].isdigit() else default, meaning


def documented(node: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """Yield name, default and docstring of every annotated field that has a docstring."""
    for field, text in with_docstrings(node):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            constant = isinstance(field.value, ast.Constant) and field.value.value is not None
            unit = " s" if field.target.id.endswith("_s") and constant else ""
            yield field.target.id, default_text(field.value) + unit, text


def documented_members(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield name and docstring of every member of an enumeration."""
    for field, text in with_docstrings(node):
        if isinstance(field, ast.Assign) and isinstance(field.targets[0], ast.Name):
            yield field.targets[0].id, text


def with_docstrings(node: ast.ClassDef) -> Iterator[tuple[ast.stmt, str]]:
    """Yield the statements of a class that a string follows, and the string in one line."""
    for field, following in itertools.pairwise(node.body):
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            yield field, " ".join(str(following.value.value).split())


def sentence(text: str) -> str:
    """Start with a capital letter; a table's cell cannot hold a bar."""
    return text[:1].upper() + text[1:].replace("|", "\\|")


def default_text(value: ast.expr | None) -> str:
    """Write a default as a reader would type it."""
    if value is None:
        return "required"
    if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name) and value.value.id == "names":
        return f"`{getattr(names, value.attr)}`"
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        return "unset"
    if isinstance(value, ast.Call) and value.args:
        value = value.args[0]
    written = ast.unparse(value).strip("'\"")
    return {"None": "unset", "": "empty", "frozenset()": "empty", "True": "`true`", "False": "`false`"}.get(
        written, f"`{written}`"
    )


if __name__ == "__main__":
    main()
