"""The docstrings that follow the fields of classes, read from code that is not imported; pages are made of them."""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

from asya_protocol import names


def classes(path: Path) -> Iterator[ast.ClassDef]:
    """Yield the classes of a file in order."""
    yield from (node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef))


def fields(node: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """Yield name, default and meaning of every field whose docstring starts with the name of a setting."""
    for _, default, text in documented(node):
        if text.startswith("`"):
            _, name, meaning = text.split("`", 2)
            yield f"`{name}`", default, sentence(meaning.lstrip(":;, "))


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
    """Start with a capital letter and end with a full stop; a table's cell cannot hold a bar."""
    return text[:1].upper() + text[1:].replace("|", "\\|").removesuffix(".") + "."


def default_text(value: ast.expr | None) -> str:
    """Write a default as a reader would type it."""
    if value is None:
        return "required"
    if isinstance(value, ast.Attribute) and ast.unparse(value.value) == "names":
        return f"`{getattr(names, value.attr)}`"
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        return "unset"
    if isinstance(value, ast.Call) and value.args:
        value = value.args[0]
    written = ast.unparse(value).strip("'\"")
    return {"None": "unset", "": "empty", "frozenset()": "empty", "True": "`true`", "False": "`false`"}.get(
        written, f"`{written}`"
    )
