"""Actors that measure a folder of Python code. Plain Python: nothing of Asya is imported.

``modules`` fans out one payload per file, ``Parser.parse`` counts what a file holds, ``grade`` scores it. Where a route asks
for it, ``fan-in`` joins them into a list again and ``totals`` sums it up. A file that does not parse raises, as it would
anywhere; the mesh takes that envelope to error-end.
"""

import ast
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Payload = dict[str, Any]

SKIPPED = {"site-packages", "dist-packages", "__pycache__", "idlelib", "turtledemo"}
TESTS = {"test", "tests"}
# Files that are broken on purpose, so that the interpreter's own tests see errors.
BROKEN_ON_PURPOSE = ("tokenizedata/*.py", "test/bad*.py", "lib2to3/tests/data/*.py")
BRANCHES = (
    ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.With, ast.AsyncWith,
    ast.BoolOp, ast.comprehension, ast.Assert, ast.match_case,
)  # fmt: skip


def modules(payload: Payload) -> Iterator[Payload]:
    """Fan out: one payload per source file, those that are broken on purpose first, then the largest.

    Input: ``{"root": folder, "limit": how many, "extra": [more files]}``. Output: ``{"path", "module"}`` each.
    """
    root = Path(payload["root"])
    broken: list[Path] = []
    library: list[tuple[int, Path]] = []
    for path in source_files(root):
        if any(path.match(pattern) for pattern in BROKEN_ON_PURPOSE):
            broken.append(path)
        elif not TESTS.intersection(path.relative_to(root).parts):
            library.append((-path.stat().st_size, path))
    files = [*map(Path, payload.get("extra", [])), *sorted(broken), *(path for _, path in sorted(library))]
    for path in files[: payload["limit"]]:
        name = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
        yield {"path": str(path), "module": ".".join(name.with_suffix("").parts).removesuffix(".__init__")}


def source_files(root: Path) -> Iterator[Path]:
    """Find the Python files below a folder, installed packages left out."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED]
        yield from (Path(folder, name) for name in files if name.endswith(".py"))


class Parser:
    """Holds what is loaded once per replica; for a model that would be its weights."""

    def __init__(self, max_bytes: int = 5_000_000):
        self.max_bytes = max_bytes

    def parse(self, payload: Payload) -> Payload:
        """Add ``lines``, ``functions``, ``classes`` and ``branches``; raises SyntaxError or ValueError."""
        source = Path(payload["path"]).read_bytes()
        if len(source) > self.max_bytes:
            raise ValueError(f"{payload['path']} has {len(source)} bytes, more than {self.max_bytes}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source, payload["path"])
        kinds = Counter(map(type, ast.walk(tree)))
        return {
            **payload,
            "lines": source.count(b"\n"),
            "functions": kinds[ast.FunctionDef] + kinds[ast.AsyncFunctionDef],
            "classes": kinds[ast.ClassDef],
            "branches": sum(kinds[kind] for kind in BRANCHES),
        }


def grade(payload: Payload) -> Payload:
    """Add ``complexity`` (ways through the module) and ``grade`` (branches per function, A is calm, E is not)."""
    per_function = payload["branches"] / max(payload["functions"], 1)
    letter = next((letter for letter, limit in zip("ABCD", (1, 2, 4, 8), strict=True) if per_function < limit), "E")
    return {**payload, "complexity": payload["branches"] + payload["functions"], "grade": letter}


def totals(graded: list[Payload]) -> Payload:
    """Sum up what fan-in joined: ``{"modules", "lines", "functions", "branches", "grades": {letter: count}}``."""
    sums = {name: sum(found[name] for found in graded) for name in ("lines", "functions", "branches")}
    return {"modules": len(graded), **sums, "grades": dict(sorted(Counter(found["grade"] for found in graded).items()))}
